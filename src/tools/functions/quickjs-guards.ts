/**
 * A script for runtimes that have no thread to end. QuickJS asks whether to stop only every 10,000
 * jumps and calls of JavaScript, so one long native call is never interrupted, and 10,000 short
 * ones are interrupted once. The script wraps those whose work grows with their input: it refuses
 * what would take more than some seconds, and before the rest it burns jumps in proportion to the
 * work. `Proxy` goes, because a proxy can show the wrapper one length and the method another.
 *
 * What it cannot wrap is what operators do natively: comparing, joining and hashing strings of
 * megabytes, and arithmetic with BigInts of up to a million bits (about a second for each
 * multiplication). Those need the runtime's own limit of processor time.
 */
export const NATIVE_CALL_GUARDS = `(function () {
  "use strict";
  const MAX_LENGTH = 5e6, MAX_SEARCH = 5e8;
  const { apply, getOwnPropertyDescriptor: describe, defineProperty: define, ownKeys } = Reflect;
  const { isArray } = Array;
  const Text = String, Range = RangeError, Type = TypeError;
  delete globalThis.Proxy;

  function burn(work) {
    for (let i = work; i > 0; i -= 10);
  }
  function wrap(owner, name, before) {
    const found = describe(owner, name);
    if (found === undefined || typeof found.value !== "function") return;
    const original = found.value;
    const { [name]: value } = {
      [name](...args) {
        before(this, args);
        return apply(original, this, args);
      },
    };
    found.value = value;
    define(owner, name, found);
  }

  function lengthOf(list) {
    if (typeof list === "string") return list.length;
    if (list === null || (typeof list !== "object" && typeof list !== "function")) return 0;
    const found = describe(list, "length");
    if (found === undefined && !("length" in list)) return 0;
    if (found === undefined || typeof found.value !== "number") {
      throw new Type("here, array methods need a list whose length is a number of its own");
    }
    if (found.value > MAX_LENGTH) throw new Range("here, array methods take lists of up to " + MAX_LENGTH + " elements");
    return found.value;
  }
  const FREE = { __proto__: null, constructor: 1, push: 1, pop: 1, at: 1, keys: 1, values: 1, entries: 1, concat: 1 };
  for (const name of ownKeys(Array.prototype)) {
    if (typeof name === "string" && !FREE[name]) wrap(Array.prototype, name, (list) => burn(lengthOf(list)));
  }
  wrap(Array.prototype, "concat", (list, args) => {
    let work = lengthOf(list);
    for (let i = 0; i < args.length; i++) {
      // Only arrays are spread here: what else asks for it could change its length in between.
      if (isArray(args[i])) work += lengthOf(args[i]);
      else if (typeof args[i] === "object" && args[i] !== null) args[i] = [args[i]];
    }
    burn(work);
  });

  const TypedArrays = Object.getPrototypeOf(Int8Array.prototype);
  const typedLength = describe(TypedArrays, "length").get;
  const LINEAR = ["indexOf", "lastIndexOf", "includes", "fill", "reverse", "join", "set", "slice", "copyWithin", "toReversed"];
  for (const name of LINEAR) wrap(TypedArrays, name, (list) => burn(apply(typedLength, list, [])));
  for (const name of ["sort", "toSorted"]) wrap(TypedArrays, name, (list) => burn(apply(typedLength, list, []) * 20));

  for (const name of ["indexOf", "lastIndexOf", "includes", "split", "replace", "replaceAll"]) {
    wrap(String.prototype, name, (text, args) => {
      if (typeof text !== "string") return;
      const needle = args[0];
      const width = typeof needle === "object" && needle !== null ? Text(needle).length : typeof needle === "string" ? needle.length : 1;
      const work = text.length * (width < 1 ? 1 : width);
      if (work > MAX_SEARCH) throw new Range("here, a search for " + width + " characters in " + text.length + " is refused");
      burn(work);
    });
  }
  for (const name of ["toLowerCase", "toUpperCase", "normalize", "localeCompare", "startsWith", "endsWith"]) {
    wrap(String.prototype, name, (text) => burn(typeof text === "string" ? text.length : 0));
  }
  for (const name of ["repeat", "padStart", "padEnd"]) {
    wrap(String.prototype, name, (text, args) => {
      const count = typeof args[0] === "number" && args[0] > 0 ? args[0] : 0;
      const length = name === "repeat" ? text.length * count : count;
      // What is longer than this does not fit into memory: QuickJS says so at once.
      if (typeof text === "string" && length < 5e8) burn(length);
    });
  }
  wrap(JSON, "parse", (owner, args) => burn(typeof args[0] === "string" ? args[0].length * 10 : 0));
})()`;
