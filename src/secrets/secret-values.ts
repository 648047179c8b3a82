/**
 * Which of the values that an operator gave are secrets: the one table of it. What is evidently
 * none (a word, a number, a path, an address without credentials) is not masked, because it may be
 * part of what a tool has to say; of what is in doubt the name decides, and else it is a secret.
 */
import { SHORTEST_SECRET, type Secret } from "./mask.ts";

/** Names of secrets: of variables, headers, parameters of a query and options of a command. */
const SECRET_NAME =
  /auth|key|token|secret|passw|pwd|credential|cookie|private|session|signature|\bpat\b|_pat\b/i;
/** Names of what is told to everybody. */
const PLAIN_NAMES = [
  "host port path paths dir dirs directory root region zone email user username owner repo project",
  "name mode level lang version accept type agent workspace team org organization tenant account",
  "database db schema table bucket index format timezone locale prefix env environment stage",
  "cluster namespace channel model",
];
const PLAIN_NAME = new RegExp(`(?:^|[_-])(?:${PLAIN_NAMES.join(" ").replaceAll(" ", "|")})$`, "i");

const PLAIN_VALUES = [
  // A word, or several.
  /^[a-z\s.,_-]+$/i,
  // A number, a version, a date.
  /^[\d\s.,:TZ+-]+$/,
  // A path, or several.
  /^(?:[a-z]:\\|~?\/|\.{1,2}\/)/i,
  // A media type.
  /^[a-z]+\/[a-z0-9.+*-]+(?:[,;].*)?$/i,
  // An address for mail.
  /^[\w.+-]+@[\w-]+(?:\.[\w-]+)+$/,
  // A host, with a port.
  /^[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}(?::\d+)?$/i,
];

const isPlain = (value: string): boolean => PLAIN_VALUES.some((pattern) => pattern.test(value));

/** What looks like a token among the parts of a path: long, with letters and digits. */
const TOKEN = /^(?=[^/]*\d)(?=[^/]*[a-z])[\w~.%+=-]{20,}$/i;

/** Whether a value that stands beside a name is a secret. */
function isSecret(name: string, value: string): boolean {
  if (value.length < SHORTEST_SECRET) return false;
  if (SECRET_NAME.test(name)) return true;
  return !PLAIN_NAME.test(name) && !isPlain(value);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    // It is no escape, but a percent sign.
    if (error instanceof URIError) return text;
    throw error;
  }
}

/** The user name and password of HTTP Basic, and the password alone. */
function basicParts(token: string): string[] {
  try {
    const pair = atob(token);
    return [pair, pair.slice(pair.indexOf(":") + 1)];
  } catch {
    // It is no base64: a token of another kind.
    return [];
  }
}

/** `Bearer TOKEN` is a secret as it stands, and so is the token. */
function partsOf(value: string): string[] {
  const [scheme = "", token, ...others] = value.trim().split(/\s+/);
  if (token === undefined || others.length > 0) return [value];
  return [value, token, ...(/^basic$/i.test(scheme) ? basicParts(token) : [])];
}

/** The secrets within an address: its password, and tokens in its query and path. */
export function secretsInUrl(text: string): string[] {
  if (!URL.canParse(text)) return [];
  const { username, password, searchParams, pathname } = new URL(text);
  // A token may stand alone before the `@`.
  const credential = password === "" ? username : password;
  const query = [...searchParams].filter(([name, value]) => isSecret(name, value));
  const segments = pathname.split("/").filter((segment) => TOKEN.test(segment));
  const found = [credential, decoded(credential), ...query.map(([, value]) => value), ...segments];
  return found.filter((value) => value.length >= SHORTEST_SECRET);
}

/** The secrets among values by name, such as variables and headers. */
export function secretsAmong(values: Record<string, string>): Secret[] {
  return Object.entries(values).flatMap(([name, value]) => {
    const isAddress = /^[a-z][a-z0-9+.-]*:\/\//i.test(value);
    if (isAddress) return secretsInUrl(value).map((found) => ({ value: found }));
    return isSecret(name, value) ? partsOf(value).map((part) => ({ value: part })) : [];
  });
}

/** The secrets among the words of a command: values of options that are named like one. */
export function secretsInWords(words: readonly string[]): Secret[] {
  return words.flatMap((word, index) => {
    const [, option, attached] = /^--?([\w-]+)(?:=(.*))?$/s.exec(word) ?? [];
    const before = /^--?([\w-]+)$/.exec(words[index - 1] ?? "")?.[1];
    const name = option ?? before ?? "";
    const value = option === undefined ? word : (attached ?? "");
    if (SECRET_NAME.test(name) && value.length >= SHORTEST_SECRET) return [{ value }];
    return secretsInUrl(value).map((found) => ({ value: found }));
  });
}
