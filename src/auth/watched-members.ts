import type { Endpoint, Need } from "./model-places.ts";
import { cannotTell } from "./model-refusal.ts";

/** A place in a body, as a tree of the places that are looked at. */
export interface PlaceNode {
  members: Map<string, PlaceNode>;
  /** The members' names, by what {@link folded} makes of them. */
  spellings: Map<string, string>;
  /** For the elements of a list. */
  items: PlaceNode | null;
  /** The value is the name of a model. */
  isModel: boolean;
  /** The value is the type of the object around it. */
  isType: boolean;
  /** What the object around a model needs. */
  need: Need;
  /** Every `model` below counts, at any depth. */
  anywhere: boolean;
  /** No other member of the object may look like a model's. */
  guards: boolean;
  /** Members that look like a model's, and are none. */
  others: ReadonlySet<string>;
}

/** A model that a request names. */
export interface NamedModel {
  /** `model`, `session.model`, `tools[].model`, … */
  place: string;
  model: string;
}

function emptyNode(): PlaceNode {
  return {
    members: new Map(),
    spellings: new Map(),
    items: null,
    isModel: false,
    isType: false,
    need: "never",
    anywhere: false,
    guards: false,
    others: new Set(),
  };
}

const TYPE_NODE: PlaceNode = { ...emptyNode(), isType: true };
const MODEL_NODE: PlaceNode = { ...emptyNode(), isModel: true };
/** Below it every `model` counts. */
const ANYWHERE_NODE: PlaceNode = { ...emptyNode(), anywhere: true, guards: true };

/** The node of a list's elements, or null where they may be anything. */
export const elementsOf = (node: PlaceNode): PlaceNode | null =>
  node.anywhere ? ANYWHERE_NODE : node.items;

function addMember(node: PlaceNode, name: string, member: PlaceNode): void {
  node.members.set(name, member);
  node.spellings.set(folded(name), name);
}

function memberNode(node: PlaceNode, name: string): PlaceNode {
  const member = node.members.get(name) ?? emptyNode();
  addMember(node, name, member);
  return member;
}

function addPlace(root: PlaceNode, place: string, need: Need): void {
  const names = place.split(".");
  const last = names.pop() ?? "";
  let node = root;
  for (const name of names) {
    node = memberNode(node, name.replace("[]", ""));
    if (!name.endsWith("[]")) continue;
    node.items ??= emptyNode();
    node = node.items;
  }
  if (last.endsWith("**")) {
    addMember(node, last.replace("**", ""), ANYWHERE_NODE);
    return;
  }
  node.guards = true;
  addMember(node, last, { ...MODEL_NODE, need });
  if (typeof need === "object") addMember(node, "type", TYPE_NODE);
}

/** The places of an endpoint's body as a tree. */
export function placeTree({ body, anywhere, others }: Endpoint): PlaceNode {
  const root = { ...emptyNode(), guards: true, others: new Set(others) };
  if (anywhere) root.anywhere = true;
  for (const [place, need] of Object.entries(body ?? {})) addPlace(root, place, need);
  return root;
}

const SIMPLE = /^[a-z0-9_]{1,64}$/;

/**
 * A name as the most lenient of parsers could read it: without case (`MODEL`), compatibility
 * characters (`ｍodel`, `ſ` for `s`) and signs (`model[]`, `model\0`).
 */
function folded(name: string): string {
  if (SIMPLE.test(name)) return name.replaceAll("_", "");
  return name
    .normalize("NFKC")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]/gu, "");
}

/** Members from which other servers than OpenAI's take a model: Azure, LiteLLM, OpenRouter. */
const SYNONYMS = new Set([
  "deployment",
  "deploymentid",
  "deploymentname",
  "engine",
  "extrabody",
  "fallback",
  "fallbacks",
  "preset",
]);

/** Whether a server could take a model from a member or parameter of this name. */
export const looksLikeModel = (name: string): boolean => namesModel(folded(name));

const namesModel = (plain: string) => plain.includes("model") || SYNONYMS.has(plain);

/** One object of a body, member by member. */
export class WatchedMembers {
  readonly #node: PlaceNode;
  /** Where the object stands, with a dot at its end, or nothing for the body itself. */
  readonly #prefix: string;
  readonly #seen = new Set<string>();
  /** The object's `type`, where it matters. */
  type: string | null = null;

  constructor(node: PlaceNode, place: string) {
    this.#node = node;
    this.#prefix = place === "" ? "" : `${place}.`;
  }

  placeOf(name: string): string {
    return this.#prefix + name;
  }

  /**
   * The node of a member, or null where it may be anything.
   * @throws ApiError 403 for a member that counts and comes twice, and for another spelling of one
   */
  enter(name: string, what = "the member"): PlaceNode | null {
    const node = this.#node;
    const isModel = node.anywhere && name === "model";
    const member = node.members.get(name) ?? (isModel ? MODEL_NODE : undefined);
    if (member === undefined) {
      this.#refuseSpelling(name, what);
      return node.anywhere ? ANYWHERE_NODE : null;
    }
    if (this.#seen.has(name))
      throw cannotTell(`the request has ${what} "${this.placeOf(name)}" twice`, name);
    this.#seen.add(name);
    return member;
  }

  #refuseSpelling(name: string, what: string): void {
    const { spellings, guards, others } = this.#node;
    if (others.has(name)) return;
    const plain = folded(name);
    const other = spellings.get(plain);
    if (other === undefined && !(guards && namesModel(plain))) return;
    throw cannotTell(
      `it cannot be told which model ${what} "${this.placeOf(name).slice(0, 100)}" names: ` +
        `a model is read from "${this.placeOf(other ?? "model")}" alone`,
      this.placeOf(name).slice(0, 100),
    );
  }

  /**
   * The object has ended.
   * @param isNamed whether its model is named outside of the body
   * @throws ApiError 403 where it has no model and needs one
   */
  end(otherwise: string, isNamed = false): void {
    for (const [name, { isModel, need }] of this.#node.members) {
      if (!isModel || isNamed || this.#seen.has(name) || !isNeeded(need, this.type)) continue;
      const place = this.placeOf(name);
      throw cannotTell(`the request has no "${place}", so that ${otherwise}: name one`, place);
    }
  }
}

function isNeeded(need: Need, type: string | null): boolean {
  if (typeof need === "string") return need === "always";
  if ("ofType" in need) return type !== null && folded(type).startsWith(folded(need.ofType));
  return type !== need.unlessType;
}
