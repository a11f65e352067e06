/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Words are copied whole, 31 bytes whatever their length, so all tables have entries of one size. What
 * depends on nothing (names, streets, mailboxes) is put together once at the start; records only choose. */

#include "connectors/source-faker/faker-words.h"

/* Forms of address and what may stand behind a name. */
static const FakerWord titles[] = {
        FAKER_WORD("Mr."), FAKER_WORD("Mrs."), FAKER_WORD("Ms."), FAKER_WORD("Mx."), FAKER_WORD("Miss"),
        FAKER_WORD("Dr."), FAKER_WORD("Prof."), FAKER_WORD("Sir"), FAKER_WORD("Dame"), FAKER_WORD("B.A."),
        FAKER_WORD("B.Sc."), FAKER_WORD("M.A."), FAKER_WORD("M.Sc."), FAKER_WORD("M.Eng."),
        FAKER_WORD("PhD"), FAKER_WORD("MD"),
};
const FakerTable faker_titles = { titles, ELEMENTSOF(titles) };

static const FakerWord genders[] = {
        FAKER_WORD("Female"), FAKER_WORD("Male"), FAKER_WORD("Fluid"), FAKER_WORD("Other"),
};
const FakerTable faker_genders = { genders, ELEMENTSOF(genders) };

static const FakerWord languages[] = {
        FAKER_WORD("Arabic"), FAKER_WORD("Bengali"), FAKER_WORD("Bulgarian"), FAKER_WORD("Catalan"),
        FAKER_WORD("Chinese"), FAKER_WORD("Czech"), FAKER_WORD("Danish"), FAKER_WORD("Dutch"),
        FAKER_WORD("English"), FAKER_WORD("Estonian"), FAKER_WORD("Finnish"), FAKER_WORD("French"),
        FAKER_WORD("Georgian"), FAKER_WORD("German"), FAKER_WORD("Greek"), FAKER_WORD("Hausa"),
        FAKER_WORD("Hebrew"), FAKER_WORD("Hindi"), FAKER_WORD("Hungarian"), FAKER_WORD("Icelandic"),
        FAKER_WORD("Igbo"), FAKER_WORD("Indonesian"), FAKER_WORD("Irish"), FAKER_WORD("Italian"),
        FAKER_WORD("Japanese"), FAKER_WORD("Khmer"), FAKER_WORD("Korean"), FAKER_WORD("Lao"),
        FAKER_WORD("Latvian"), FAKER_WORD("Lithuanian"), FAKER_WORD("Malay"), FAKER_WORD("Maltese"),
        FAKER_WORD("Nepali"), FAKER_WORD("Norwegian"), FAKER_WORD("Persian"), FAKER_WORD("Polish"),
        FAKER_WORD("Portuguese"), FAKER_WORD("Quechua"), FAKER_WORD("Romanian"), FAKER_WORD("Russian"),
        FAKER_WORD("Sinhala"), FAKER_WORD("Slovak"), FAKER_WORD("Slovene"), FAKER_WORD("Somali"),
        FAKER_WORD("Spanish"), FAKER_WORD("Swahili"), FAKER_WORD("Swedish"), FAKER_WORD("Tamil"),
        FAKER_WORD("Thai"), FAKER_WORD("Turkish"), FAKER_WORD("Ukrainian"), FAKER_WORD("Urdu"),
        FAKER_WORD("Vietnamese"), FAKER_WORD("Welsh"), FAKER_WORD("Wolof"), FAKER_WORD("Xhosa"),
        FAKER_WORD("Yoruba"), FAKER_WORD("Zulu"),
};
const FakerTable faker_languages = { languages, ELEMENTSOF(languages) };

static const FakerWord degrees[] = {
        FAKER_WORD("Bachelor"), FAKER_WORD("Master"), FAKER_WORD("PhD"),
};
const FakerTable faker_degrees = { degrees, ELEMENTSOF(degrees) };

static const FakerWord nationalities[] = {
        FAKER_WORD("Argentinian"), FAKER_WORD("Australian"), FAKER_WORD("Austrian"), FAKER_WORD("Belgian"),
        FAKER_WORD("Bolivian"), FAKER_WORD("Brazilian"), FAKER_WORD("British"), FAKER_WORD("Bulgarian"),
        FAKER_WORD("Cambodian"), FAKER_WORD("Canadian"), FAKER_WORD("Chilean"), FAKER_WORD("Chinese"),
        FAKER_WORD("Colombian"), FAKER_WORD("Croatian"), FAKER_WORD("Cuban"), FAKER_WORD("Czech"),
        FAKER_WORD("Danish"), FAKER_WORD("Dutch"), FAKER_WORD("Egyptian"), FAKER_WORD("Estonian"),
        FAKER_WORD("Ethiopian"), FAKER_WORD("Finnish"), FAKER_WORD("French"), FAKER_WORD("Georgian"),
        FAKER_WORD("German"), FAKER_WORD("Ghanaian"), FAKER_WORD("Greek"), FAKER_WORD("Hungarian"),
        FAKER_WORD("Icelandic"), FAKER_WORD("Indian"), FAKER_WORD("Indonesian"), FAKER_WORD("Irish"),
        FAKER_WORD("Israeli"), FAKER_WORD("Italian"), FAKER_WORD("Jamaican"), FAKER_WORD("Japanese"),
        FAKER_WORD("Kenyan"), FAKER_WORD("Korean"), FAKER_WORD("Latvian"), FAKER_WORD("Lithuanian"),
        FAKER_WORD("Malaysian"), FAKER_WORD("Maltese"), FAKER_WORD("Mexican"), FAKER_WORD("Moroccan"),
        FAKER_WORD("New Zealander"), FAKER_WORD("Nigerian"), FAKER_WORD("Norwegian"),
        FAKER_WORD("Pakistani"), FAKER_WORD("Peruvian"), FAKER_WORD("Polish"), FAKER_WORD("Portuguese"),
        FAKER_WORD("Romanian"), FAKER_WORD("Slovak"), FAKER_WORD("Spanish"), FAKER_WORD("Swedish"),
        FAKER_WORD("Swiss"), FAKER_WORD("Thai"), FAKER_WORD("Turkish"), FAKER_WORD("Ukrainian"),
        FAKER_WORD("Uruguayan"), FAKER_WORD("Vietnamese"),
};
const FakerTable faker_nationalities = { nationalities, ELEMENTSOF(nationalities) };

/* With the true minus sign, as Airbyte's faker writes them. */
static const FakerWord blood_types[] = {
        FAKER_WORD("O+"), FAKER_WORD("O−"), FAKER_WORD("A+"), FAKER_WORD("A−"), FAKER_WORD("B+"),
        FAKER_WORD("B−"), FAKER_WORD("AB+"), FAKER_WORD("AB−"),
};
const FakerTable faker_blood_types = { blood_types, ELEMENTSOF(blood_types) };

static const FakerWord states[] = {
        FAKER_WORD("Alabama"), FAKER_WORD("Alaska"), FAKER_WORD("Arizona"), FAKER_WORD("Arkansas"),
        FAKER_WORD("California"), FAKER_WORD("Colorado"), FAKER_WORD("Connecticut"), FAKER_WORD("Delaware"),
        FAKER_WORD("Florida"), FAKER_WORD("Georgia"), FAKER_WORD("Hawaii"), FAKER_WORD("Idaho"),
        FAKER_WORD("Illinois"), FAKER_WORD("Indiana"), FAKER_WORD("Iowa"), FAKER_WORD("Kansas"),
        FAKER_WORD("Kentucky"), FAKER_WORD("Louisiana"), FAKER_WORD("Maine"), FAKER_WORD("Maryland"),
        FAKER_WORD("Massachusetts"), FAKER_WORD("Michigan"), FAKER_WORD("Minnesota"),
        FAKER_WORD("Mississippi"), FAKER_WORD("Missouri"), FAKER_WORD("Montana"), FAKER_WORD("Nebraska"),
        FAKER_WORD("Nevada"), FAKER_WORD("New Hampshire"), FAKER_WORD("New Jersey"),
        FAKER_WORD("New Mexico"), FAKER_WORD("New York"), FAKER_WORD("North Carolina"),
        FAKER_WORD("North Dakota"), FAKER_WORD("Ohio"), FAKER_WORD("Oklahoma"), FAKER_WORD("Oregon"),
        FAKER_WORD("Pennsylvania"), FAKER_WORD("Rhode Island"), FAKER_WORD("South Carolina"),
        FAKER_WORD("South Dakota"), FAKER_WORD("Tennessee"), FAKER_WORD("Texas"), FAKER_WORD("Utah"),
        FAKER_WORD("Vermont"), FAKER_WORD("Virginia"), FAKER_WORD("Washington"), FAKER_WORD("West Virginia"),
        FAKER_WORD("Wisconsin"), FAKER_WORD("Wyoming"),
};
const FakerTable faker_states = { states, ELEMENTSOF(states) };

/* ISO 3166-1. */
static const FakerWord countries[] = {
        FAKER_WORD("AD"), FAKER_WORD("AE"), FAKER_WORD("AF"), FAKER_WORD("AL"), FAKER_WORD("AM"),
        FAKER_WORD("AO"), FAKER_WORD("AR"), FAKER_WORD("AT"), FAKER_WORD("AU"), FAKER_WORD("AZ"),
        FAKER_WORD("BA"), FAKER_WORD("BB"), FAKER_WORD("BD"), FAKER_WORD("BE"), FAKER_WORD("BF"),
        FAKER_WORD("BG"), FAKER_WORD("BH"), FAKER_WORD("BI"), FAKER_WORD("BJ"), FAKER_WORD("BN"),
        FAKER_WORD("BO"), FAKER_WORD("BR"), FAKER_WORD("BS"), FAKER_WORD("BT"), FAKER_WORD("BW"),
        FAKER_WORD("BY"), FAKER_WORD("BZ"), FAKER_WORD("CA"), FAKER_WORD("CD"), FAKER_WORD("CF"),
        FAKER_WORD("CG"), FAKER_WORD("CH"), FAKER_WORD("CI"), FAKER_WORD("CL"), FAKER_WORD("CM"),
        FAKER_WORD("CN"), FAKER_WORD("CO"), FAKER_WORD("CR"), FAKER_WORD("CU"), FAKER_WORD("CV"),
        FAKER_WORD("CY"), FAKER_WORD("CZ"), FAKER_WORD("DE"), FAKER_WORD("DJ"), FAKER_WORD("DK"),
        FAKER_WORD("DM"), FAKER_WORD("DO"), FAKER_WORD("DZ"), FAKER_WORD("EC"), FAKER_WORD("EE"),
        FAKER_WORD("EG"), FAKER_WORD("ER"), FAKER_WORD("ES"), FAKER_WORD("ET"), FAKER_WORD("FI"),
        FAKER_WORD("FJ"), FAKER_WORD("FM"), FAKER_WORD("FR"), FAKER_WORD("GA"), FAKER_WORD("GB"),
        FAKER_WORD("GD"), FAKER_WORD("GE"), FAKER_WORD("GH"), FAKER_WORD("GM"), FAKER_WORD("GN"),
        FAKER_WORD("GQ"), FAKER_WORD("GR"), FAKER_WORD("GT"), FAKER_WORD("GW"), FAKER_WORD("GY"),
        FAKER_WORD("HN"), FAKER_WORD("HR"), FAKER_WORD("HT"), FAKER_WORD("HU"), FAKER_WORD("ID"),
        FAKER_WORD("IE"), FAKER_WORD("IL"), FAKER_WORD("IN"), FAKER_WORD("IQ"), FAKER_WORD("IR"),
        FAKER_WORD("IS"), FAKER_WORD("IT"), FAKER_WORD("JM"), FAKER_WORD("JO"), FAKER_WORD("JP"),
        FAKER_WORD("KE"), FAKER_WORD("KG"), FAKER_WORD("KH"), FAKER_WORD("KI"), FAKER_WORD("KM"),
        FAKER_WORD("KN"), FAKER_WORD("KR"), FAKER_WORD("KW"), FAKER_WORD("KZ"), FAKER_WORD("LA"),
        FAKER_WORD("LB"), FAKER_WORD("LC"), FAKER_WORD("LI"), FAKER_WORD("LK"), FAKER_WORD("LR"),
        FAKER_WORD("LS"), FAKER_WORD("LT"), FAKER_WORD("LU"), FAKER_WORD("LV"), FAKER_WORD("LY"),
        FAKER_WORD("MA"), FAKER_WORD("MC"), FAKER_WORD("MD"), FAKER_WORD("ME"), FAKER_WORD("MG"),
        FAKER_WORD("MH"), FAKER_WORD("MK"), FAKER_WORD("ML"), FAKER_WORD("MM"), FAKER_WORD("MN"),
        FAKER_WORD("MR"), FAKER_WORD("MT"), FAKER_WORD("MU"), FAKER_WORD("MV"), FAKER_WORD("MW"),
        FAKER_WORD("MX"), FAKER_WORD("MY"), FAKER_WORD("MZ"), FAKER_WORD("NA"), FAKER_WORD("NE"),
        FAKER_WORD("NG"), FAKER_WORD("NI"), FAKER_WORD("NL"), FAKER_WORD("NO"), FAKER_WORD("NP"),
        FAKER_WORD("NR"), FAKER_WORD("NZ"), FAKER_WORD("OM"), FAKER_WORD("PA"), FAKER_WORD("PE"),
        FAKER_WORD("PG"), FAKER_WORD("PH"), FAKER_WORD("PK"), FAKER_WORD("PL"), FAKER_WORD("PT"),
        FAKER_WORD("PW"), FAKER_WORD("PY"), FAKER_WORD("QA"), FAKER_WORD("RO"), FAKER_WORD("RS"),
        FAKER_WORD("RU"), FAKER_WORD("RW"), FAKER_WORD("SA"), FAKER_WORD("SB"), FAKER_WORD("SC"),
        FAKER_WORD("SD"), FAKER_WORD("SE"), FAKER_WORD("SG"), FAKER_WORD("SI"), FAKER_WORD("SK"),
        FAKER_WORD("SL"), FAKER_WORD("SM"), FAKER_WORD("SN"), FAKER_WORD("SO"), FAKER_WORD("SR"),
        FAKER_WORD("SS"), FAKER_WORD("ST"), FAKER_WORD("SV"), FAKER_WORD("SY"), FAKER_WORD("SZ"),
        FAKER_WORD("TD"), FAKER_WORD("TG"), FAKER_WORD("TH"), FAKER_WORD("TJ"), FAKER_WORD("TL"),
        FAKER_WORD("TM"), FAKER_WORD("TN"), FAKER_WORD("TO"), FAKER_WORD("TR"), FAKER_WORD("TT"),
        FAKER_WORD("TV"), FAKER_WORD("TZ"), FAKER_WORD("UA"), FAKER_WORD("UG"), FAKER_WORD("US"),
        FAKER_WORD("UY"), FAKER_WORD("UZ"), FAKER_WORD("VC"), FAKER_WORD("VE"), FAKER_WORD("VN"),
        FAKER_WORD("VU"), FAKER_WORD("WS"), FAKER_WORD("YE"), FAKER_WORD("ZA"), FAKER_WORD("ZM"),
        FAKER_WORD("ZW"),
};
const FakerTable faker_countries = { countries, ELEMENTSOF(countries) };

/* RFC 2606: domains that belong to nobody. */
static const FakerWord mail_domains[] = {
        FAKER_WORD("example.com"), FAKER_WORD("example.net"), FAKER_WORD("example.org"),
        FAKER_WORD("mail.example.com"), FAKER_WORD("post.example.net"), FAKER_WORD("inbox.example.org"),
};
const FakerTable faker_mail_domains = { mail_domains, ELEMENTSOF(mail_domains) };

/* ---- Words made of syllables ---- */

static const char onsets[][3] = { "b", "br", "c", "d", "dr", "f", "g", "gr", "h", "k", "l", "m", "n", "p", "r", "s",
                                  "st", "t", "th", "tr", "v", "w" };
static const char vowels[][3] = { "a", "e", "i", "o", "u", "ai", "ea", "ie" };
static const char codas[][3] = { "", "", "", "n", "l", "r", "s", "m" };
static const char street_ends[][8] = { "wick", "gate", "field", "hill", "lane", "more", "wood", "bridge" };
static const char city_fronts[][8] = { "", "", "", "", "", "New ", "East ", "Port " };
static const char city_ends[][8] = { "ton", "stead", "ville", "ford", "mouth", "burg", "port", "haven" };

static const char ranks[][12] = { "", "Senior ", "Junior ", "Assistant ", "Deputy ", "Chief ", "Trainee ", "Retired " };
static const char fields[][12] = {
        "Data", "Bridge", "Boat", "Bread", "Garden", "Glass", "Harbour", "Kitchen",
        "Library", "Metal", "Music", "Night", "Paper", "Piano", "Rail", "Road",
        "School", "Stone", "Textile", "Theatre", "Timber", "Tool", "Water", "Wool",
};
static const char jobs[][12] = { "Builder", "Buyer", "Clerk", "Inspector" };

/* Appends to a word; what doesn't fit is left out (no table makes that happen). */
static void append(FakerWord *w, const char *s) {
        size_t n = strlen(s);

        if (w->n + n > sizeof(w->s))
                return;
        memcpy(w->s + w->n, s, n);
        w->n += (uint8_t) n;
}

static const char *pick(FakerRandom *r, const char *table, size_t width, uint32_t n) {
        return table + width * faker_below(r, n);
}
#define PICK(r, table) pick((r), (table)[0], sizeof((table)[0]), ELEMENTSOF(table))

static void append_syllables(FakerWord *w, FakerRandom *r, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                append(w, PICK(r, onsets));
                append(w, PICK(r, vowels));
        }
        append(w, PICK(r, codas));
}

static void capitalize(FakerWord *w, size_t at) {
        w->s[at] = (char) (w->s[at] - 'a' + 'A');
}

void faker_make_word(FakerRandom *r, unsigned n_syllables, FakerWord *ret) {
        *ret = (FakerWord) {};
        append_syllables(ret, r, n_syllables);
        capitalize(ret, 0);
}

static void make_street(FakerRandom *r, FakerWord *ret) {
        faker_make_word(r, 1, ret);
        append(ret, PICK(r, street_ends));
}

static void make_city(FakerRandom *r, FakerWord *ret) {
        size_t front;

        *ret = (FakerWord) {};
        append(ret, PICK(r, city_fronts));
        front = ret->n;
        append_syllables(ret, r, 1);
        capitalize(ret, front);
        append(ret, PICK(r, city_ends));
}

static void make_occupations(FakerWords *w) {
        w->n_occupations = 0;
        for (size_t i = 0; i < ELEMENTSOF(ranks); i++)
                for (size_t j = 0; j < ELEMENTSOF(fields); j++)
                        for (size_t k = 0; k < ELEMENTSOF(jobs); k++) {
                                FakerWord *o = w->occupations + w->n_occupations++;

                                *o = (FakerWord) {};
                                append(o, ranks[i]);
                                append(o, fields[j]);
                                append(o, " ");
                                append(o, jobs[k]);
                        }
}

void faker_words_init(FakerWords *w) {
        /* A fixed start: the words are the same for every seed, only which are taken differs. */
        FakerRandom r = faker_random(1, 1, 1);

        static_assert(ELEMENTSOF(ranks) * ELEMENTSOF(fields) * ELEMENTSOF(jobs) <= FAKER_OCCUPATIONS_MAX,
                      "too many");
        for (size_t i = 0; i < FAKER_NAMES; i++) {
                faker_make_word(&r, 2 + (i & 1), w->first_names + i);
                w->mailboxes[i] = w->first_names[i];
                w->mailboxes[i].s[0] |= 0x20; /* to lower case */
                make_street(&r, w->streets + i);
                make_city(&r, w->cities + i);
        }
        make_occupations(w);
}
