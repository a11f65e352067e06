/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <unistd.h>

#include "basic/file-util.h"
#include "basic/suggest.h"
#include "runtime/connector-config.h"
#include "runtime/connector-ref.h"
#include "runtime/yaml-util.h"
#include "unit/test.h"

TEST_MAIN()

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* Parses and compares with "reference config-as-JSON". */
static void assert_ref(const char *s, ConnectorRole role, const char *reference, const char *config) {
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL;
        _cleanup_free_ char *back = NULL, *have = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        r = connector_ref_parse(s, role, &ref, &error);
        if (r < 0)
                fail_msg("%s: %s", s, error_message(error, r));
        back = connector_ref_to_string(ref);
        assert_string_equal(back, reference);
        have = ref->config ? json_to_string(ref->config) : NULL;
        assert_string_equal(strempty(have), strempty(config));
}

static void assert_refused(const char *s, ConnectorRole role, int code, const char *part) {
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        r = connector_ref_parse(s, role, &ref, &error);
        assert_int_equal(r, -code);
        if (!strstr(error_message(error, r), part))
                fail_msg("%s: \"%s\" lacks \"%s\"", s, error_message(error, r), part);
}

TEST(references_of_every_kind_are_read_and_written_back) {
        assert_ref("pypi:airbyte-source-faker==7.2.1", CONNECTOR_SOURCE, "pypi:airbyte-source-faker==7.2.1", NULL);
        assert_ref("pypi:Airbyte_Source.Faker", CONNECTOR_SOURCE, "pypi:airbyte-source-faker", NULL);
        assert_ref("npm:@scope/pkg@1.2.3", CONNECTOR_SOURCE, "npm:@scope/pkg@1.2.3", NULL);
        assert_ref("npm:@scope/pkg", CONNECTOR_SOURCE, "npm:@scope/pkg", NULL);
        assert_ref("npm:pkg@10.20.30-rc.1+b", CONNECTOR_SOURCE, "npm:pkg@10.20.30-rc.1+b", NULL);
        assert_ref("exec:./a b/source-x", CONNECTOR_SOURCE, "exec:./a b/source-x", NULL);
        assert_ref("exec:what?", CONNECTOR_SOURCE, "exec:what?", NULL);
        assert_ref("image:airbyte/source-faker:6.2.0", CONNECTOR_SOURCE, "image:airbyte/source-faker:6.2.0", NULL);
        assert_ref("image:localhost:5000/x@" DIGEST, CONNECTOR_DESTINATION, "image:localhost:5000/x@" DIGEST, NULL);
        assert_ref("image:localhost:5000/x:1@" DIGEST, CONNECTOR_DESTINATION, "image:localhost:5000/x:1@" DIGEST, NULL);
        assert_ref("native:source-file", CONNECTOR_ANY_ROLE, "native:source-file", NULL);
        assert_ref("source-faker", CONNECTOR_SOURCE, "source-faker", NULL);
        assert_ref("airbyte-source-faker==7.2.1", CONNECTOR_SOURCE, "airbyte-source-faker==7.2.1", NULL);
        assert_ref("faker", CONNECTOR_SOURCE, "native:source-faker", NULL);
        assert_ref("devnull", CONNECTOR_DESTINATION, "native:destination-devnull", NULL);
}

TEST(names_that_could_be_options_or_paths_are_refused) {
        assert_refused("pypi:--index-url=x", CONNECTOR_SOURCE, EINVAL, "version is written NAME==VERSION");
        assert_refused("image:--privileged", CONNECTOR_SOURCE, EINVAL, "no name of an image");
        assert_refused("image:", CONNECTOR_SOURCE, EINVAL, "no name of an image");
        assert_refused("image:a b", CONNECTOR_SOURCE, EINVAL, "no name of an image");
        static const char *const undigested[] = { "image:x@", "image:x@sha256:abc", "image:x@sha512:00", "image:x@@" DIGEST,
                                                  "image:x@" DIGEST "0", "image:x@" DIGEST ":1" };
        for (size_t i = 0; i < ELEMENTSOF(undigested); i++)
                assert_refused(undigested[i], CONNECTOR_SOURCE, EINVAL, "no digest of an image");
        assert_refused("pypi:-r", CONNECTOR_SOURCE, EINVAL, "no name of a Python package");
        assert_refused("pypi:../x", CONNECTOR_SOURCE, EINVAL, "no name of a Python package");
        assert_refused("pypi:x==../../y", CONNECTOR_SOURCE, EINVAL, "is no version of x");
        assert_refused("pypi:x==", CONNECTOR_SOURCE, EINVAL, "is no version of x");
        assert_refused("pypi:x>=1", CONNECTOR_SOURCE, EINVAL, "NAME==VERSION");
        assert_refused("npm:@scope", CONNECTOR_SOURCE, EINVAL, "npm package");
        assert_refused("npm:a/b", CONNECTOR_SOURCE, EINVAL, "npm package");
        assert_refused("npm:a@latest", CONNECTOR_SOURCE, EINVAL, "exact version");
        assert_refused("npm:@s/a@1", CONNECTOR_SOURCE, EINVAL, "exact version");
        assert_refused("npm:a@1.2", CONNECTOR_SOURCE, EINVAL, "exact version");
        assert_refused("npm:a@1.2.x", CONNECTOR_SOURCE, EINVAL, "exact version");
        assert_refused("npm:a@1.2.3.4", CONNECTOR_SOURCE, EINVAL, "exact version");
        assert_refused("native:../shim", CONNECTOR_SOURCE, EINVAL, "native connector");
        assert_refused("./source-x", CONNECTOR_SOURCE, EINVAL, "exec:./source-x");
        assert_refused("", CONNECTOR_SOURCE, EINVAL, "must be named");
        assert_refused("exec:", CONNECTOR_SOURCE, EINVAL, "path of a program");
}

TEST(unknown_and_unsupported_kinds_say_so) {
        assert_refused("pipy:x", CONNECTOR_SOURCE, EINVAL, "did you mean 'pypi:'");
        assert_refused("manifest:x.yaml", CONNECTOR_SOURCE, EOPNOTSUPP, "manifests");
        assert_refused("postgres://h/d", CONNECTOR_SOURCE, EOPNOTSUPP, "no native connector");
        assert_refused("https://h/x.csv", CONNECTOR_DESTINATION, EOPNOTSUPP, "can be read, not written");
        assert_refused("x.csv.gz", CONNECTOR_DESTINATION, EOPNOTSUPP, "can be read, not written");
        assert_refused("sqlite:", CONNECTOR_SOURCE, EINVAL, "names no file");
        assert_refused("http:x", CONNECTOR_SOURCE, EINVAL, "names no host");
}

TEST(queries_become_nested_configuration) {
        assert_ref("source-x?host=h%26h&tables=a&tables=b&login.password.$env=PW&empty=", CONNECTOR_SOURCE, "source-x",
                   "{\"host\":\"h&h\",\"tables\":[\"a\",\"b\"],\"login\":{\"password\":{\"$env\":\"PW\"}},\"empty\":\"\"}");
        assert_ref("faker?a%2Eb=1+1", CONNECTOR_SOURCE, "native:source-faker", "{\"a.b\":\"1+1\"}");
        assert_refused("faker?a=%zz", CONNECTOR_SOURCE, EINVAL, "hexadecimal");
        assert_refused("faker?a=%00", CONNECTOR_SOURCE, EINVAL, "NUL");
        assert_refused("faker?a=%ff", CONNECTOR_SOURCE, EINVAL, "UTF-8");
        assert_refused("faker?a=1&a.b=2", CONNECTOR_SOURCE, EINVAL, "value of its own");
        assert_refused("faker?=1", CONNECTOR_SOURCE, EINVAL, "key=value");
        assert_refused("faker?a..b=1", CONNECTOR_SOURCE, EINVAL, "empty part");
}

/* Writes a connector file into a fresh directory and goes there. */
static void in_directory_with(const char *name, const char *text) {
        char dir[] = "/tmp/gantry-test-XXXXXX";
        _cleanup_error_ Error *error = NULL;

        assert_non_null(mkdtemp(dir));
        assert_int_equal(chdir(dir), 0);
        ASSERT_OK(write_file_atomic(name, text, strlen(text), 0600, &error));
}

static void leave_directory(void) {
        _cleanup_free_ char *dir = getcwd(NULL, 0);

        assert_non_null(dir);
        assert_int_equal(chdir("/"), 0);
        ASSERT_OK(remove_tree(dir));
}

TEST(connector_files_give_reference_and_configuration) {
        in_directory_with("s.yaml", "connector: pypi:x?a=1&b=2\nconfig:\n  b: [1, yes, 'no', 0x10, 007, 1.50, ~]\n"
                                    "  c: {$env: PW}\n");
        assert_ref("s.yaml", CONNECTOR_SOURCE, "pypi:x",
                   "{\"a\":\"1\",\"b\":[1,\"yes\",\"no\",\"0x10\",\"007\",1.50,null],\"c\":{\"$env\":\"PW\"}}");
        leave_directory();

        in_directory_with("s.yaml", "connector: s.yaml\n");
        assert_refused("s.yaml", CONNECTOR_SOURCE, EINVAL, "cannot be another such file");
        leave_directory();
        in_directory_with("s.yaml", "connector: pypi:x\nconfg: {}\n");
        assert_refused("s.yaml", CONNECTOR_SOURCE, EINVAL, "did you mean 'config'");
        leave_directory();
        in_directory_with("s.yaml", "config: {}\n");
        assert_refused("s.yaml", CONNECTOR_SOURCE, EINVAL, "has no 'connector:'");
        leave_directory();
        assert_refused("/nonexistent.yaml", CONNECTOR_SOURCE, ENOENT, "/nonexistent.yaml");
}

static void assert_yaml_refused(const char *text, const char *part) {
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        r = yaml_to_json(text, strlen(text), "t", &o, &error);
        assert_int_equal(r, -EINVAL);
        if (!strstr(error_message(error, r), part))
                fail_msg("\"%s\" lacks \"%s\"", error_message(error, r), part);
}

TEST(yaml_that_is_unsafe_or_unclear_is_refused) {
        static const char bomb[] =
                "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
                "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
        _cleanup_buffer_ Buffer deep = {};
        _cleanup_json_ JsonObject *o = NULL;

        assert_yaml_refused(bomb, "too many values");
        assert_yaml_refused("a: &a [*a]\n", "nested too deeply");
        assert_yaml_refused("a: !!python/object/apply:os.system [id]\n", "tags are not allowed");
        assert_yaml_refused("a: !credential x\n", "tags are not allowed");
        assert_yaml_refused("a: 1\na: 2\n", "line 2, column 1: the key is there twice");
        assert_yaml_refused("? [a]\n: 1\n", "a key must be a plain string");
        assert_yaml_refused("a: [1\n", "line 2");
        assert_yaml_refused("a: 1\n---\nb: 2\n", "more than one document");
        assert_yaml_refused("", "empty");
        for (size_t i = 0; i < 100; i++)
                ASSERT_OK(buffer_append_char(&deep, '['));
        for (size_t i = 0; i < 100; i++)
                ASSERT_OK(buffer_append_char(&deep, ']'));
        assert_yaml_refused(buffer_string(&deep), "nested too deeply");
        ASSERT_OK(yaml_to_json("{x: &x 1, y: *x}", 16, "t", &o, NULL));
        assert_string_equal(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), "{\"x\":1,\"y\":1}");
}

static JsonObject *json(const char *s) {
        JsonObject *o = NULL;

        ASSERT_OK(json_parse(s, strlen(s), &o, NULL));
        return o;
}

TEST(strings_of_a_query_become_what_the_spec_wants) {
        _cleanup_json_ JsonObject *schema = json(
                "{\"properties\":{\"n\":{\"type\":\"integer\"},\"x\":{\"type\":\"number\"},\"b\":{\"type\":\"boolean\"},"
                "\"s\":{\"type\":\"string\"},\"l\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}},"
                "\"m\":{\"type\":[\"string\",\"null\"]},"
                "\"p\":{\"oneOf\":[{\"properties\":{\"t\":{\"const\":\"a\"},\"v\":{\"type\":\"string\"}}},"
                "{\"properties\":{\"t\":{\"const\":\"b\"},\"v\":{\"type\":\"integer\"}}}]}}}");
        _cleanup_json_ JsonObject *config = json(
                "{\"n\":\"12\",\"x\":\"1.50\",\"b\":\"yes\",\"s\":\"12\",\"l\":[\"1\",\"2\"],\"m\":\"5\",\"u\":\"1\","
                "\"p\":{\"t\":\"b\",\"v\":\"7\"}}");
        _cleanup_json_ JsonObject *wrong = json("{\"n\":\"1.5\",\"b\":\"maybe\",\"l\":\"4\"}");
        const ConnectorSpec spec = { .connection_specification = schema };

        ASSERT_OK(connector_config_coerce(&spec, config));
        assert_string_equal(json_object_to_json_string_ext(config, JSON_C_TO_STRING_PLAIN),
                            "{\"n\":12,\"x\":1.50,\"b\":true,\"s\":\"12\",\"l\":[1,2],\"m\":\"5\",\"u\":\"1\","
                            "\"p\":{\"t\":\"b\",\"v\":7}}");
        ASSERT_OK(connector_config_coerce(&spec, wrong));
        assert_string_equal(json_object_to_json_string_ext(wrong, JSON_C_TO_STRING_PLAIN),
                            "{\"n\":\"1.5\",\"b\":\"maybe\",\"l\":[4]}");
}

TEST(secrets_come_from_environment_file_and_credential) {
        _cleanup_json_ JsonObject *config = json("{\"a\":{\"$env\":\"GANTRY_TEST_PW\"},\"l\":[{\"$file\":\"pw\"}],"
                                                 "\"c\":{\"$credential\":\"pw\"},\"k\":{\"$env\":\"X\",\"more\":1}}");
        _cleanup_json_ JsonObject *unset = json("{\"a\":{\"b\":{\"$env\":\"GANTRY_TEST_UNSET\"}}}");
        _cleanup_json_ JsonObject *outside = json("{\"a\":{\"$credential\":\"../pw\"}}");
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *dir = NULL;

        in_directory_with("pw", "s3cret\n");
        dir = getcwd(NULL, 0);
        setenv("GANTRY_TEST_PW", "t0psecret", 1);
        setenv("CREDENTIALS_DIRECTORY", dir, 1);
        ASSERT_OK(connector_config_resolve(config, &error));
        assert_string_equal(json_object_to_json_string_ext(config, JSON_C_TO_STRING_PLAIN),
                            "{\"a\":\"t0psecret\",\"l\":[\"s3cret\"],\"c\":\"s3cret\",\"k\":{\"$env\":\"X\",\"more\":1}}");
        ASSERT_ERROR(connector_config_resolve(unset, &error), ENOENT);
        assert_string_equal(error->message, "/a/b: the environment variable 'GANTRY_TEST_UNSET' is not set");
        ASSERT_ERROR(connector_config_resolve(outside, &error), EINVAL);
        leave_directory();
}

TEST(suggestions_are_near_or_none) {
        char *const words[] = { (char *) "source-faker", (char *) "source-file", NULL };

        assert_string_equal(suggest_nearest("sorce-faker", words), "source-faker");
        assert_string_equal(suggest_nearest("source-flie", words), "source-file");
        assert_null(suggest_nearest("postgres", words));
        assert_null(suggest_nearest("", words));
}
