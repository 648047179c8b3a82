/** Spellings by which a key could reach a model that it may not use, as an attacker tries them. */
import { brotliCompressSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import {
  ask,
  FILE,
  form,
  FORM_TYPE,
  part,
  passed,
  refused,
  type SpelledRequest,
} from "../helpers/restricted-key.ts";

const CHEAP = '{"model":"cheap"}';
const chat = (body: string | Uint8Array): SpelledRequest => ({ path: "/chat/completions", body });
const typed = (type: string, body = CHEAP): SpelledRequest => ({
  ...chat(body),
  headers: ["content-type", type],
});
const withHeader = (name: string, value: string, body: string | Uint8Array = CHEAP) => ({
  ...chat(body),
  headers: ["content-type", "application/json", name, value],
});
const at = (path: string, body = CHEAP): SpelledRequest => ({ path, method: "POST", body });
const spoken = (body: string | Uint8Array, headers = FORM_TYPE): SpelledRequest => ({
  path: "/audio/transcriptions",
  headers,
  body,
});
const CHEAP_PART = part('name="model"', "cheap");
const GOOD = form(FILE, CHEAP_PART);
const beside = (disposition: string, more = "") =>
  spoken(form(FILE, CHEAP_PART, part(disposition, "dear", more)));
const nested = (levels: number) =>
  `{"model":"cheap","a":${"[".repeat(levels)}${"]".repeat(levels)}}`;

const BODIES: [string, SpelledRequest, string][] = [
  ["JSON as plain text", typed("text/plain"), "text/plain"],
  ["JSON as a form", typed("application/x-www-form-urlencoded"), "x-www-form-urlencoded"],
  ["JSON in UTF-16 by its type", typed("application/json; charset=utf-16"), "content-type"],
  ["JSON in UTF-7 by its type", typed('application/json; charset="utf-7"'), "content-type"],
  [
    "JSON of two types",
    typed("application/json, multipart/form-data; boundary=x-b"),
    "content-type",
  ],
  ["two content-types", withHeader("content-type", FORM_TYPE[1] ?? ""), "content-type"],
  ["another model without a type", { ...chat('{"model":"dear"}'), headers: [] }, '"dear"'],
  ["another model in chunks", { ...chat('{"model":"dear"}'), isChunked: true }, '"dear"'],
  [
    "another model in gzip",
    withHeader("content-encoding", "gzip", gzipSync('{"model":"dear"}')),
    '"dear"',
  ],
  ["brotli", withHeader("content-encoding", "br", brotliCompressSync(CHEAP)), "send it as gzip"],
  ["gzip that is none", withHeader("content-encoding", "gzip"), "no gzip data"],
  [
    "gzip in gzip",
    withHeader("content-encoding", "gzip, gzip", gzipSync(gzipSync(CHEAP))),
    "send it as gzip",
  ],
  [
    "bytes that are no UTF-8 in a name",
    chat(Buffer.from('{"mo\xFFdel":"dear","model":"cheap"}', "latin1")),
    "not UTF-8",
  ],
  ["a name with NUL", chat('{"model\\u0000":"dear","model":"cheap"}'), "cannot be told"],
  ["a name in full width", chat('{"ｍｏｄｅｌ":"dear","model":"cheap"}'), "cannot be told"],
  ["a name with a soft hyphen", chat('{"mo\\u00addel":"dear","model":"cheap"}'), "cannot be told"],
  ["a name with brackets", chat('{"model[]":"dear","model":"cheap"}'), "cannot be told"],
  ["a list of models", chat('{"models":["dear"],"model":"cheap"}'), '"models"'],
  ["fallbacks", chat('{"fallbacks":["dear"],"model":"cheap"}'), '"fallbacks"'],
  [
    "a long s in a nested name",
    at("/realtime/client_secrets", '{"\u017Fession":{"model":"dear"},"session":{"model":"cheap"}}'),
    "cannot be told",
  ],
  [
    "another type of tool that comes second",
    at("/responses", '{"model":"cheap","tools":[{"type":"function","type":"image_generation"}]}'),
    '"tools[].type" twice',
  ],
  ["tools that are no list", at("/responses", '{"model":"cheap","tools":{}}'), '"tools"'],
  ["a control character in a text", chat('{"model":"cheap","user":"a\nb"}'), "not strict JSON"],
  ["an escape that is none", chat('{"model":"cheap","user":"\\x41"}'), "not strict JSON"],
  ["a number with a leading zero", chat('{"model":"cheap","n":01}'), "not strict JSON"],
  ["a text that does not end", chat('{"model":"cheap","n":"'), "not strict JSON"],
  ["NUL behind the body", chat(`${CHEAP}\0`), "not strict JSON"],
  ["spaces without end", chat(`{"model":"cheap"${" ".repeat(1_000_001)}}`), "spaces in a row"],
  [
    "a newer image tool that names no model",
    at("/responses", '{"model":"cheap","tools":[{"type":"image_generation_2027"}]}'),
    '"tools[].model"',
  ],
  ["what is nested too deep", chat(nested(1000)), "deeper than 1000 levels"],
];

const FORMS: [string, SpelledRequest, string][] = [
  ["text before the first boundary", spoken(`x\r\n${GOOD}`), "before its first boundary"],
  ["text behind the last boundary", spoken(`${GOOD}--x-b\r\n`), "its last line"],
  [
    "a boundary inside of a line",
    spoken(form(part('name="a"', "x--x-b\r\n\r\n"), CHEAP_PART)),
    "inside of a line",
  ],
  ["lines that end in LF", spoken(GOOD.replaceAll("\r\n", "\n")), "its last line"],
  ["no boundary", spoken(GOOD, ["content-type", "multipart/form-data"]), "no plain boundary"],
  ["two boundaries", spoken(GOOD, ["content-type", `${FORM_TYPE[1]}; boundary=y`]), "content-type"],
  [
    "a boundary in pieces",
    spoken(GOOD, ["content-type", `${FORM_TYPE[1]}; boundary*0=y`]),
    "content-type",
  ],
  [
    "another boundary",
    spoken(GOOD, ["content-type", "multipart/form-data; boundary=y"]),
    "its boundary",
  ],
  ["a name with an escaped letter", beside('name="mod%65l"'), "content-disposition"],
  ["a name with a backslash", beside('name="mod\\el"'), "content-disposition"],
  ["a name with brackets", beside('name="model[]"'), '"model[]"'],
  ["two names", beside('name="a"; name="model"'), "content-disposition"],
  ["an extended name", beside("name*=utf-8''model"), "content-disposition"],
  ["a name behind the file's", beside('filename="a"; name="model"'), "content-disposition"],
  [
    "a file's name that holds a name",
    beside('name="a"; filename="x\\"; name=\\"model"'),
    "content-disposition",
  ],
  ["a file's name with a semicolon", beside('name="a"; filename="x; name=model"'), "disposition"],
  ["a file's name with a backslash", beside('name="a"; filename="x\\y"'), "disposition"],
  ["no name", beside('filename="a"'), "content-disposition"],
  [
    "another disposition",
    spoken(form(FILE, 'Content-Disposition: attachment; name="model"\r\n\r\ncheap')),
    "content-disposition",
  ],
  [
    "a second disposition",
    beside('name="a"', 'content-disposition: form-data; name="model"\r\n'),
    "plain lines",
  ],
  ["a folded header", beside('name="a"', " x: y\r\n"), "plain lines"],
  [
    "a part in base64",
    spoken(form(FILE, part('name="model"', "ZGVhcg==", "Content-Transfer-Encoding: base64\r\n"))),
    "content-transfer-encoding",
  ],
  [
    "a part in UTF-16",
    beside('name="a"', "Content-Type: text/plain; charset=utf-16\r\n"),
    "content-type",
  ],
  ["a field that sets the charset", beside('name="_charset_"'), "content-disposition"],
  [
    "a form in a form",
    beside('name="a"', "Content-Type: multipart/mixed; boundary=y\r\n"),
    "multipart itself",
  ],
  [
    "a model that is a file",
    spoken(form(FILE, part('name="model"; filename="a"', "cheap"))),
    "is a file",
  ],
  ["a model with a line end", spoken(form(FILE, part('name="model"', "cheap\r\n"))), "may not use"],
  [
    "a model behind a byte order mark",
    spoken(form(FILE, part('name="model"', "\uFEFFcheap"))),
    "may not use",
  ],
  [
    "a file's name that is no UTF-8",
    spoken(Buffer.from(form(part('name="file"; filename="\xe4"', "a"), CHEAP_PART), "latin1")),
    "not UTF-8",
  ],
  [
    "the offer of a call without a model",
    { path: "/realtime/calls", headers: ["content-type", "application/sdp"], body: "v=0" },
    'query has no "model"',
  ],
  [
    "a session of a call with another model",
    {
      path: "/realtime/calls",
      headers: FORM_TYPE,
      body: form(part('name="session"', '{"model":"dear"}')),
    },
    '"dear"',
  ],
];

const ADDRESSES: [string, SpelledRequest, string][] = [
  ["an escaped query", at("/chat/completions?mod%65l=dear"), '"dear"'],
  ["a query in another case", at("/chat/completions?Model=dear"), '"Model"'],
  ["a query with brackets", at("/chat/completions?model[]=dear"), '"model[]"'],
  ["two models in a query", at("/chat/completions?model=cheap&model=dear"), '"dear"'],
  ["a query behind a semicolon", at("/chat/completions?a=1;model=dear"), '"dear"'],
  ["a path with parameters", at("/batches;a=1"), "the path"],
  ["a path in another case", at("/Batches"), "the path"],
  ["a batch below another version", at("/v1/batches"), "input file"],
  ["a batch of Azure", at("/openai/v1/batches?api-version=preview"), "input file"],
  ["a deployment in another case", at("/OpenAI/Deployments/dear/chat/completions"), '"dear"'],
  ["an escaped deployment", at("/openai/deployments/de%61r/chat/completions", "{}"), '"dear"'],
  [
    "a body that names another than the deployment",
    at("/deployments/cheap/completions", '{"model":"owner/cheap"}'),
    "two models",
  ],
  ["a model by its address", at("/models/dear:generateContent", "{}"), '"dear:generateContent"'],
  [
    "a header that names a deployment",
    withHeader("azureml-model-deployment", "dear"),
    "the header",
  ],
  ["another method by a header", withHeader("x-http-method-override", "PUT"), "the header"],
  ["a deletion with a body", { ...chat('{"model":"dear"}'), method: "DELETE" }, '"dear"'],
  ["another method", { ...chat('{"model":"dear"}'), method: "PUT" }, '"dear"'],
];

const PASSED: [string, SpelledRequest][] = [
  ["JSON without a type", { ...chat(CHEAP), headers: [] }],
  ["JSON in chunks", { ...chat(CHEAP), isChunked: true }],
  ["JSON in gzip", withHeader("content-encoding", "gzip", gzipSync(CHEAP))],
  ["JSON with a charset", typed("application/json; charset=UTF-8")],
  ["JSON with space around", chat(` \r\n\t${CHEAP}\n`)],
  [
    "all of JSON",
    chat('{"a":[-0,1.5e-7,1E5,true,false,null,{},[],"\\ud83d\\ude00\\/\\""],"model":"cheap"}'),
  ],
  ["a long text", chat(`{"user":"${"\\n".repeat(600_000)}","model":"cheap"}`)],
  ["what is nested deep", chat(nested(900))],
  ["another name twice", chat('{"user":"a","user":"b","model":"cheap"}')],
  ["a form in chunks", { ...spoken(GOOD), isChunked: true }],
  [
    "a form of .NET",
    spoken(
      form(
        "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=model\r\n\r\ncheap",
        part("name=file; filename=a.mp3; filename*=utf-8''a.mp3", "sound"),
      ),
    ),
  ],
  [
    "a form with files of other names",
    {
      path: "/images/edits",
      headers: FORM_TYPE,
      body: form(
        part('name="image[]"; filename="ä b.png"', "--x"),
        part('name="image[]"; filename="b.png"', "\r\n--"),
        CHEAP_PART,
      ),
    },
  ],
  [
    "a call's session",
    {
      path: "/realtime/calls",
      headers: FORM_TYPE,
      body: form(
        part('name="sdp"', "v=0"),
        part('name="session"', '{"model":"cheap"}', "Content-Type: application/json\r\n"),
      ),
    },
  ],
  [
    "a call's offer",
    {
      path: "/realtime/calls?model=cheap",
      headers: ["content-type", "application/sdp"],
      body: "v=0",
    },
  ],
  ["a path with more slashes", at("/chat//completions/")],
];

describe("a key with allowed models", () => {
  it.each([...BODIES, ...FORMS, ...ADDRESSES])("is refused %s", async (_title, request, words) => {
    expect(await ask(request)).toEqual(refused(words));
  });

  it.each(PASSED)("may send %s, and upstream gets its bytes", async (_title, request) => {
    expect(await ask(request)).toEqual(passed(request));
  });
});
