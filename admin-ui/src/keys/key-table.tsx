import { MessagesSquare, Pencil, RefreshCw, Trash2, Wrench } from "lucide-react";
import type { ApiKey } from "../api-shapes.ts";
import { countOf, formatCost, formatMoment } from "../format.ts";
import { Menu } from "../parts/menu.tsx";
import { Badge } from "../parts/notice.tsx";
import { Switch } from "../parts/switch.tsx";
import { Moment, Table, type Column, type Sorting } from "../parts/table.tsx";
import { Link, navigate } from "../router.tsx";

/** What can be done with a key of the list. */
export interface KeyActions {
  edit: (key: ApiKey, tab: "settings" | "tools") => string;
  rotate: (key: ApiKey) => void;
  remove: (key: ApiKey) => void;
  turn: (key: ApiKey, isOn: boolean) => void;
  isTurning: boolean;
}

const never = (text: string) => <span className="hint">{text}</span>;
const hasExpired = ({ expiresAt }: ApiKey) =>
  expiresAt !== null && Date.parse(expiresAt) <= Date.now();
const isRotating = ({ previousExpiresAt }: ApiKey) =>
  typeof previousExpiresAt === "string" && Date.parse(previousExpiresAt) > Date.now();

/** What is spent of a budget; more than a budget is a full bar. */
function Spend({ apiKey }: { apiKey: ApiKey }) {
  // Older servers have neither.
  const spent = (apiKey.spend as ApiKey["spend"] | undefined)?.month ?? null;
  const budget = apiKey.monthlyBudget ?? null;
  if (spent === null) return never("–");
  if (budget === null) return <span>{formatCost(spent)}</span>;
  const share = Math.min(spent / budget, 1);
  const tone = share >= 1 ? "bad" : share >= 0.8 ? "warn" : "good";
  return (
    <span className="spend">
      <span>
        {formatCost(spent)} <span className="hint">of {formatCost(budget)}</span>
      </span>
      <span
        className={`meter ${tone}`}
        role="meter"
        aria-label="Spent of the month’s budget"
        aria-valuenow={Math.round(share * 100)}
      >
        <span style={{ width: `${share * 100}%` }} />
      </span>
    </span>
  );
}

function Status({
  apiKey,
  turn,
  isTurning,
}: { apiKey: ApiKey } & Pick<KeyActions, "turn" | "isTurning">) {
  return (
    <span className="together">
      <Switch
        label={`${apiKey.name} is on`}
        isOn={apiKey.isActive}
        isBusy={isTurning}
        onTurn={(isOn) => turn(apiKey, isOn)}
      />
      {hasExpired(apiKey) && <Badge tone="bad">expired</Badge>}
      {isRotating(apiKey) && (
        <span
          title={`The key before is accepted until ${formatMoment(apiKey.previousExpiresAt ?? "")}`}
        >
          <Badge tone="warn">rotating</Badge>
        </span>
      )}
    </span>
  );
}

function KeyMenu({
  apiKey,
  edit,
  rotate,
  remove,
}: { apiKey: ApiKey } & Pick<KeyActions, "edit" | "rotate" | "remove">) {
  return (
    <Menu
      label={`Actions for ${apiKey.name}`}
      items={[
        {
          name: "Settings and limits",
          icon: <Pencil aria-hidden="true" />,
          onSelect: () => navigate(edit(apiKey, "settings")),
        },
        {
          name: "Tools and preview",
          icon: <Wrench aria-hidden="true" />,
          onSelect: () => navigate(edit(apiKey, "tools")),
        },
        {
          name: "Conversations",
          icon: <MessagesSquare aria-hidden="true" />,
          onSelect: () => navigate(`/conversations?apiKeyId=${apiKey.id}`),
        },
        { name: "Rotate…", icon: <RefreshCw aria-hidden="true" />, onSelect: () => rotate(apiKey) },
        {
          name: "Delete…",
          icon: <Trash2 aria-hidden="true" />,
          onSelect: () => remove(apiKey),
          isDangerous: true,
        },
      ]}
    />
  );
}

const columnsFor = (actions: KeyActions): Column<ApiKey>[] => [
  {
    name: "Name",
    sort: "name",
    cell: (key) => (
      <Link href={actions.edit(key, "settings")} className="row-link" data-row>
        {key.name}
      </Link>
    ),
  },
  {
    name: "Key",
    cell: (key) => (
      <code>
        {key.keyPrefix}…{key.keySuffix}
      </code>
    ),
  },
  { name: "Status", cell: (key) => <Status apiKey={key} {...actions} /> },
  {
    name: "Tools",
    cell: (key) => (
      <Link href={actions.edit(key, "tools")} className="plain-link">
        {key.toolIds.length === 0 ? "none" : countOf(key.toolIds.length, "tool")}
        <span className="unseen"> (tools of {key.name})</span>
      </Link>
    ),
  },
  { name: "This month", sort: "spend", cell: (key) => <Spend apiKey={key} /> },
  {
    name: "Last used",
    sort: "lastUsedAt",
    cell: (key) =>
      typeof key.lastUsedAt === "string" ? <Moment iso={key.lastUsedAt} /> : never("never"),
  },
  {
    name: "Expires",
    sort: "expiresAt",
    cell: (key) => (key.expiresAt === null ? never("never") : <Moment iso={key.expiresAt} />),
  },
  { name: "Created", sort: "createdAt", cell: (key) => <Moment iso={key.createdAt} /> },
  {
    name: "Actions",
    isNameless: true,
    isNumber: true,
    cell: (key) => <KeyMenu apiKey={key} {...actions} />,
  },
];

/** Keys, a row each. */
export function KeyTable({
  keys,
  actions,
  sorting,
}: {
  keys: ApiKey[];
  actions: KeyActions;
  sorting: Sorting;
}) {
  return <Table name="API keys" columns={columnsFor(actions)} rows={keys} sorting={sorting} />;
}
