/** What a variable of the environment is, and how any table of them is read. Imports nothing. */

/** Where a variable is read: by the Node server or by the Worker. */
export type Runtime = "node" | "workerd";

/** Says what is wrong with a value: the end of a sentence that begins with the variable's name. */
type Fail = (fault: string) => void;

/** One kind of values. */
export interface Kind<Value> {
  /** What may stand there, for the documents, as `0–65535`; empty: any text. */
  accepts: string;
  /** Reads a text that is not empty. What it returns after `fail` is not looked at. */
  read(text: string, fail: Fail): Value;
  /** What the operator's page shows of a value that is no text or number, or holds a secret. */
  show?(value: Value): string;
}

/** One variable: all that configuration, documents and examples say of it comes from here. */
export interface Variable<
  Name extends string = string,
  Value = unknown,
  Default extends string | null = string | null,
> {
  name: Name;
  kind: Kind<Value>;
  /** What holds where it is not set, as it would be written; null: nothing. */
  default: Default;
  /** One sentence (without a full stop) for whoever sets it. */
  about: string;
  /** Where nothing holds by default: what that means, for the table of variables. */
  unset?: string;
  /** What to show in an example file, where the default says too little. */
  example?: string;
  /** Never shown; read from the file that `NAME_FILE` names, too. */
  isSecret?: boolean;
  /** Not secret, but too long for a variable: read from the file that `NAME_FILE` names, too. */
  hasFile?: boolean;
  /** Where it is read; both, where it is not given. */
  runtimes?: readonly Runtime[];
}

/** A table of variables by the members of the configuration that they become. */
export type Variables = Record<string, Variable>;

/** The names of a table's variables. */
export type NameIn<Rows extends Variables> = Rows[keyof Rows]["name"];

type ValueOf<Row> =
  Row extends Variable<string, infer Value, infer Default>
    ? Value | (null extends Default ? null : never)
    : never;

/** What a table's variables are read to. */
export type ValuesOf<Rows extends Variables> = {
  -readonly [Member in keyof Rows]: ValueOf<Rows[Member]>;
};

/** A row, with its own name and the type of its value. */
export function variable<const Name extends string, Value, const Default extends string | null>(
  row: Variable<Name, Value, Default>,
): Variable<Name, Value, Default> {
  return row;
}

/** Any text. */
export const text: Kind<string> = { accepts: "", read: (given) => given };

/** A whole number within both bounds. */
export function wholeNumber(min: number, max: number): Kind<number> {
  return {
    accepts: `${min}–${max}`,
    read(given, fail) {
      const number = Number(given);
      if (!/^\d+$/.test(given) || number < min || number > max)
        fail(`is "${given}": it must be a whole number from ${min} to ${max}`);
      return number;
    },
  };
}

/** One of a few words. */
function oneOf<const Word extends string>(words: readonly Word[]): Kind<Word> {
  return {
    accepts: words.map((word) => `\`${word}\``).join(", "),
    read(given, fail) {
      const found = words.find((word) => word === given);
      if (found === undefined) fail(`is "${given}": it must be one of ${words.join(", ")}`);
      return found ?? (given as Word);
    },
  };
}

/** Whether something is done. */
export const onOrOff = oneOf(["on", "off"]);

/** A URL, without slashes at its end. */
export function url(protocols: readonly string[]): Kind<string> {
  const starts = protocols.map((protocol) => `${protocol}//`);
  return {
    accepts: "",
    read(given, fail) {
      const parsed = URL.canParse(given) ? new URL(given) : null;
      if (parsed === null || !protocols.includes(parsed.protocol))
        fail(`is not a URL that starts with ${starts.join(" or ")}`);
      return given.replace(/\/+$/, "");
    },
    show: withoutCredentials,
  };
}

/** An address without what may be a secret in it. */
function withoutCredentials(address: string): string {
  const { protocol, host, pathname } = new URL(address);
  return `${protocol}//${host}${pathname.replace(/\/$/, "")}`;
}

/** In which dialect an upstream can be asked; `auto`: the proxy chooses. */
export const UPSTREAM_DIALECTS = ["auto", "chat", "responses"] as const;

/** One of these. */
export const upstreamDialect = oneOf(UPSTREAM_DIALECTS);

/** How much is logged. */
export const logLevel = oneOf(["fatal", "error", "warn", "info", "debug", "trace", "silent"]);

/** Texts in lower case, separated by commas, each read by `readOne`. */
export function listOf(
  accepts: string,
  readOne: (text: string, fail: Fail) => string,
): Kind<string[]> {
  return {
    accepts,
    read(given, fail) {
      const texts = given.split(",").map((part) => part.trim().toLowerCase());
      return texts.filter((part) => part !== "").map((part) => readOne(part, fail));
    },
    show: (texts) => texts.join(","),
  };
}

/** Strings by name; an empty one counts as unset, as compose files write what `.env` lacks. */
type Strings = Readonly<Record<string, string | undefined>>;

/** The text of a variable, or undefined where it is not set. */
function textOf(env: Strings, name: string): string | undefined {
  const given = env[name]?.trim();
  return given === "" ? undefined : given;
}

/**
 * Reads every row of a table.
 * @param faults gets a sentence for each fault; with one in it, the values are of no use
 */
export function readVariables<Rows extends Variables>(
  rows: Rows,
  env: Strings,
  faults: string[],
): ValuesOf<Rows> {
  const entries = Object.entries(rows).map(([member, { name, kind, default: fallback }]) => {
    const given = textOf(env, name) ?? fallback;
    const value =
      given === null ? null : kind.read(given, (fault) => faults.push(`${name} ${fault}.`));
    return [member, value];
  });
  return Object.fromEntries(entries) as ValuesOf<Rows>;
}

/**
 * The strings of a table's variables, with `NAME_FILE` read for those that may come from a file
 * (Docker and Kubernetes mount secrets as files). A variable that is set itself wins over its file.
 * @param readFile throws where there is none
 * @param faults gets a sentence for each file that cannot be read
 */
export function withFiles<Rows extends Variables>(
  rows: Rows,
  env: Strings,
  source: { readFile: (path: string) => string; faults: string[] },
): Partial<Record<NameIn<Rows>, string>> {
  const found: Record<string, string> = {};
  for (const { name, isSecret, hasFile } of Object.values(rows)) {
    const given = textOf(env, name);
    const path = isSecret || hasFile ? textOf(env, `${name}_FILE`) : undefined;
    if (given !== undefined) found[name] = given;
    if (given !== undefined || path === undefined) continue;
    try {
      found[name] = source.readFile(path).trim();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      source.faults.push(`${name}_FILE names a file that cannot be read: ${reason}`);
    }
  }
  return found as Partial<Record<NameIn<Rows>, string>>;
}
