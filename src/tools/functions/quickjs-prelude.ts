/** Most characters of JSON that a call may be given, and may return. */
export const MAX_JSON_CHARACTERS = 1_048_576;

/** Most lines, and characters in all of them, that are kept of a call's console. */
const MAX_LOG_LINES = 200;
const MAX_LOG_CHARACTERS = 65_536;

/** Longest part of an error's message or stack that leaves the sandbox. */
const MAX_ERROR_CHARACTERS = 2000;

/**
 * Runs in each new context before the operator's code and keeps its own references to what it uses,
 * so that nothing the code replaces can mislead it. A function of `write`, which takes a console
 * line as JSON text (as text with a NUL would be cut at the border). Returns `parse`, `encode` (a
 * value to JSON text) and `describe` (a thrown value to JSON text).
 */
export const PRELUDE = `(function (write) {
  "use strict";
  const { parse, stringify } = JSON;
  const Text = String, Failure = Error, Type = TypeError, Range = RangeError;
  const cut = Function.prototype.call.bind(String.prototype.slice);
  let lines = 0, characters = 0, full = false;

  function show(value) {
    if (typeof value === "string") return value;
    try {
      if (value instanceof Failure) return Text(value);
      const json = typeof value === "object" && value !== null ? stringify(value) : undefined;
      return json === undefined ? Text(value) : json;
    } catch {
      try { return Text(value); } catch { return "[object]"; }
    }
  }

  function log(...values) {
    if (full) return;
    let line = "";
    for (let i = 0; i < values.length && line.length <= ${MAX_LOG_CHARACTERS}; i++) line += (i === 0 ? "" : " ") + show(values[i]);
    lines += 1;
    const room = ${MAX_LOG_CHARACTERS} - characters;
    characters += line.length;
    full = lines > ${MAX_LOG_LINES} || line.length > room;
    if (lines <= ${MAX_LOG_LINES} && room > 0) write(stringify(cut(line, 0, room)));
    if (full) write(stringify("[console output was cut here: the limit is ${MAX_LOG_LINES} lines and ${MAX_LOG_CHARACTERS} characters]"));
  }
  delete globalThis.SharedArrayBuffer;
  globalThis.console = { log, info: log, warn: log, error: log, debug: log };

  function encode(value) {
    const text = stringify(value === undefined ? null : value);
    if (text === undefined) throw new Type("it is a " + typeof value);
    if (text.length > ${MAX_JSON_CHARACTERS}) {
      throw new Range("it has " + text.length + " characters as JSON, and the limit is ${MAX_JSON_CHARACTERS}");
    }
    return text;
  }

  function describe(thrown) {
    const read = (key) => {
      try {
        const text = thrown[key];
        return typeof text === "string" ? cut(text, 0, ${MAX_ERROR_CHARACTERS}) : "";
      } catch {
        return "";
      }
    };
    if (thrown instanceof Failure) return stringify({ __proto__: null, name: read("name"), message: read("message"), stack: read("stack") });
    return stringify({ __proto__: null, name: "", message: cut(show(thrown), 0, ${MAX_ERROR_CHARACTERS}), stack: "" });
  }

  return { parse, encode, describe };
})`;
