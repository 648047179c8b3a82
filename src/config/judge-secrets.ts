/** Whether the secrets that an operator chose can be guessed. */

/** A secret, by its variable, as it is in force. */
interface Secret {
  name: string;
  /** Null: it is not set. */
  value: string | null;
  /** What it is by default, where it has a default, which everybody knows. */
  wellKnown: string | null;
}

/** What is asked of a secret, and what to do where it is not met. */
interface Rule {
  minLength: number;
  advice: string;
}

const RANDOM: Rule = {
  minLength: 16,
  advice: "set it to a long random string, for example the output of: openssl rand -base64 32",
};
const RULES: Record<string, Rule> = {
  ADMIN_PASSWORD: { minLength: 12, advice: "set it to a long password of your own" },
};
/** Fewer are a pattern: `aaaaaaaaaaaaaaaa`, `121212121212`. */
const MIN_CHARACTERS = 6;

/** What people put where a secret belongs, in examples and out of laziness. */
const WORDS = (
  "abc abcd admin administrator api app asdf asdfghjkl auth azerty bar battery baz bit change changeit " +
  "changeme changethis chatgpt correct database default dev development encryption example foo gpt " +
  "hello here horse hunter iloveyou insert jwt key letmein local localhost login master mcp monkey " +
  "openai operator passphrase passwd passwort password placeholder please postgres prod production proxy " +
  "qwer qwert qwerty qwertyuiop qwertz replace root secret secure server session sidecar sign " +
  "staple string super test the this todo token user welcome world xxx your yxcvbnm zxcvbn zxcvbnm"
).split(" ");
/** As people write letters so that a rule is content. */
const SPELLED: Record<string, string> = {
  a: "[a@4]",
  e: "[e3]",
  i: "[i1!]",
  o: "[o0]",
  s: "[s$5]",
};
const longestFirst = (a: string, b: string) => b.length - a.length;
const ANY_WORD = new RegExp(
  WORDS.toSorted(longestFirst)
    .map((word) => word.replaceAll(/[aeios]/g, (letter) => SPELLED[letter] ?? letter))
    .join("|"),
  "g",
);
/** So many letters beside such words may be a name or a number of one's own. */
const OWN_LETTERS = 4;

/** Whether a text is made of such words, numbers, and hardly anything else. */
function isWellKnown(text: string): boolean {
  const letters = text.toLowerCase().replaceAll(/[^\p{L}\p{N}@$!]/gu, "");
  const own = letters.replaceAll(ANY_WORD, "").replaceAll(/\P{L}/gu, "");
  return own.length < OWN_LETTERS && own.length < letters.length / 3;
}

/** What is wrong with a secret, as the end of a sentence, or null. */
function faultOf({ value, wellKnown }: Secret, { minLength }: Rule): string | null {
  if (value === null) return null;
  if (value === wellKnown) return `has its well-known default "${wellKnown}"`;
  if (value.length < minLength)
    return `has ${value.length} characters, which can be guessed: ${minLength} are the least`;
  if (new Set(value).size < MIN_CHARACTERS) return "repeats a few characters";
  return isWellKnown(value) ? "is made of words or numbers that everybody tries first" : null;
}

/** A sentence for each secret that has the value of one before it. */
function equalOnes(secrets: Secret[]): string[] {
  return secrets.flatMap(({ name, value }, index) => {
    const twin = secrets.slice(0, index).find((other) => value !== null && other.value === value);
    return twin === undefined ? [] : [`${name} is the same as ${twin.name}`];
  });
}

const ruleOf = (name: string) => RULES[name] ?? RANDOM;

/** What is wrong with secrets, a sentence each without its full stop, and what to do about it. */
export function judgeSecrets(secrets: Secret[]): { fault: string; advice: string }[] {
  const weak = secrets.flatMap((secret) => {
    const { advice } = ruleOf(secret.name);
    const fault = faultOf(secret, ruleOf(secret.name));
    return fault === null ? [] : [{ fault: `${secret.name} ${fault}`, advice }];
  });
  const advice = "give each a value of its own, so that who learns one does not have the other";
  return [...weak, ...equalOnes(secrets).map((fault) => ({ fault, advice }))];
}
