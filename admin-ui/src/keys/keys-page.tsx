import { useState } from "react";
import type { ApiKey, CreatedKey } from "../api-shapes.ts";
import { countOf } from "../format.ts";
import { actions, resources, type KeyFields } from "../http.ts";
import { ConfirmDialog } from "../parts/dialog.tsx";
import { Badge, Empty, Loading, Notice } from "../parts/notice.tsx";
import { Page } from "../parts/page.tsx";
import { Switch } from "../parts/switch.tsx";
import { Moment, Pager, Table, type Column } from "../parts/table.tsx";
import { Link, type Place } from "../router.tsx";
import { useAction } from "../use-action.ts";
import { useResource } from "../use-resource.ts";
import { KeyDialog } from "./key-dialog.tsx";
import { SecretDialog } from "./secret-dialog.tsx";

/** What the reader is about to do. */
type Intent = { kind: "create" } | { kind: "edit"; key: ApiKey } | { kind: "delete"; key: ApiKey } | { kind: "show"; created: CreatedKey };

interface RowActions {
  intend: (intent: Intent) => void;
  turn: (key: ApiKey) => void;
  isTurning: boolean;
}

const hasExpired = ({ expiresAt }: ApiKey) => expiresAt !== null && Date.parse(expiresAt) <= Date.now();

const columnsFor = ({ intend, turn, isTurning }: RowActions): Column<ApiKey>[] => [
  {
    name: "Name",
    cell: (key) => (
      <button type="button" className="link" onClick={() => intend({ kind: "edit", key })}>
        {key.name}
      </button>
    ),
  },
  { name: "Key", cell: (key) => <code>{key.keyPrefix}…</code> },
  {
    name: "Status",
    cell: (key) => (
      <span className="together">
        <Switch label={`${key.name} is on`} isOn={key.isActive} isBusy={isTurning} onTurn={() => turn(key)} />
        {hasExpired(key) && <Badge tone="bad">expired</Badge>}
      </span>
    ),
  },
  {
    name: "Tools",
    cell: (key) =>
      key.toolIds.length === 0 ? <span className="hint">none</span> : <span className="count">{countOf(key.toolIds.length, "tool")}</span>,
  },
  { name: "Created", cell: (key) => <Moment iso={key.createdAt} /> },
  { name: "Expires", cell: (key) => (key.expiresAt === null ? <span className="hint">never</span> : <Moment iso={key.expiresAt} />) },
  {
    name: "Actions",
    cell: (key) => (
      <span className="together">
        <Link href={`/conversations?apiKeyId=${key.id}`} aria-label={`Conversations of ${key.name}`}>
          Conversations
        </Link>
        <button type="button" className="quiet" aria-label={`Edit ${key.name}`} onClick={() => intend({ kind: "edit", key })}>
          Edit
        </button>
        <button type="button" className="quiet bad" aria-label={`Delete ${key.name}`} onClick={() => intend({ kind: "delete", key })}>
          Delete
        </button>
      </span>
    ),
  },
];

/** The dialog of what the reader is about to do. */
function IntentDialog({ intent, onDone, show }: { intent: Intent; onDone: () => void; show: (created: CreatedKey) => void }) {
  if (intent.kind === "show") return <SecretDialog created={intent.created} onClose={onDone} />;
  if (intent.kind === "delete") {
    const remove = async () => {
      await actions.deleteKey(intent.key.id);
      onDone();
    };
    return (
      <ConfirmDialog title={`Delete ${intent.key.name}?`} verb="Delete key" onConfirm={remove} onClose={onDone}>
        Applications that use <code>{intent.key.keyPrefix}…</code> are refused within seconds, for ever. Its conversations stay. To stop it
        for a while, switch it off instead.
      </ConfirmDialog>
    );
  }
  const save = async (fields: KeyFields) => {
    if (intent.kind === "create") return show(await actions.createKey(fields));
    await actions.updateKey(intent.key.id, fields);
    onDone();
  };
  return <KeyDialog apiKey={intent.kind === "edit" ? intent.key : null} save={save} onClose={onDone} />;
}

function NoKeys({ create }: { create: () => void }) {
  return (
    <Empty title="No keys yet">
      <p>
        An application uses the proxy with an API key of its own: it keeps its OpenAI SDK, and changes only the base URL and the key. Which
        tools its model may use is up to the key.
      </p>
      <button type="button" className="primary" onClick={create}>
        Create the first key
      </button>
    </Empty>
  );
}

/** `/keys`: who may use the proxy, and with which tools. */
export function KeysPage({ place }: { place: Place }) {
  const cursor = place.query.get("cursor");
  const keys = useResource(resources.keys({ cursor }));
  const [intent, intend] = useState<Intent | null>(null);
  const turning = useAction();
  const turn = (key: ApiKey) =>
    turning.run(async () => {
      await actions.updateKey(key.id, { isActive: !key.isActive });
      keys.reload();
    });
  const done = () => {
    intend(null);
    keys.reload();
  };
  const create = () => intend({ kind: "create" });
  return (
    <Page
      title="Keys"
      actions={
        <button type="button" className="primary" onClick={create}>
          New key
        </button>
      }
    >
      {turning.error !== null && <Notice tone="bad">{turning.error.message}</Notice>}
      <Loading from={keys}>
        {({ data, nextCursor }) => (
          <>
            {data.length === 0 && <NoKeys create={create} />}
            {data.length > 0 && <Table name="API keys" columns={columnsFor({ intend, turn, isTurning: turning.isRunning })} rows={data} />}
            <Pager cursor={cursor} nextCursor={nextCursor} linkTo={(next) => (next === null ? "/keys" : `/keys?cursor=${next}`)} />
          </>
        )}
      </Loading>
      {intent !== null && (
        <IntentDialog key={intent.kind} intent={intent} onDone={done} show={(created) => intend({ kind: "show", created })} />
      )}
    </Page>
  );
}
