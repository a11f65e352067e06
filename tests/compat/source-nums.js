#!/usr/bin/env node
// SPDX-License-Identifier: LGPL-2.1-or-later
// The smallest source that faros-airbyte-cdk (npm) makes: the numbers up to `count`, with a state of theirs.
const cdk = require('faros-airbyte-cdk');

class Nums extends cdk.AirbyteStreamBase {
  constructor(logger, count) { super(logger); this.count = count; }
  getJsonSchema() { return {type: 'object', properties: {id: {type: 'integer'}, name: {type: 'string'}}}; }
  get primaryKey() { return 'id'; }
  get cursorField() { return 'id'; }
  async *readRecords(mode, cursor, slice, state) {
    for (let id = (state?.cutoff ?? 0) + 1; id <= this.count; id++) yield {id, name: `number ${id}`};
  }
  getUpdatedState(current, record) { return {cutoff: Math.max(current?.cutoff ?? 0, record.id)}; }
}

class Source extends cdk.AirbyteSourceBase {
  get type() { return 'nums'; }
  async spec() {
    const properties = {count: {type: 'integer'}};
    return new cdk.AirbyteSpec({connectionSpecification: {type: 'object', required: ['count'], properties}});
  }
  async checkConnection(config) { return [true, undefined]; }
  streams(config) { return [new Nums(this.logger, config?.count)]; }
}

const logger = new cdk.AirbyteSourceLogger();
new cdk.AirbyteSourceRunner(logger, new Source(logger)).mainCommand().parseAsync(process.argv);
