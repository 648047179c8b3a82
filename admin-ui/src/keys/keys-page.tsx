import { KeyRound, Plus } from "lucide-react";
import { useState } from "react";
import type { ApiKey, CreatedKey } from "../api-shapes.ts";
import { actions, resources } from "../http.ts";
import { ConfirmDialog } from "../parts/dialog.tsx";
import { Empty, Loading, Notice } from "../parts/notice.tsx";
import { Page } from "../parts/page.tsx";
import { SearchField } from "../parts/search-field.tsx";
import { MoreRows, type Sorting } from "../parts/table.tsx";
import { Link, navigate, withQuery, type Place } from "../router.tsx";
import { useAction } from "../use-action.ts";
import { useRefresh, useRows } from "../use-resource.ts";
import { KeySheet, NewKeySheet } from "./key-sheet.tsx";
import { KeyTable, type KeyActions } from "./key-table.tsx";
import { RotateDialog } from "./rotate-dialog.tsx";
import { SecretDialog } from "./secret-dialog.tsx";

/** What the reader is about to do, beside what the address says. */
type Intent =
  | { kind: "delete"; key: ApiKey }
  | { kind: "rotate"; key: ApiKey }
  | { kind: "show"; created: CreatedKey };

const NEW = "/keys?key=new";

function DeleteDialog({ apiKey, onClose }: { apiKey: ApiKey; onClose: () => void }) {
  const refresh = useRefresh();
  const remove = async () => {
    await actions.deleteKey(apiKey.id);
    await refresh();
    onClose();
  };
  return (
    <ConfirmDialog
      title={`Delete ${apiKey.name}?`}
      verb="Delete key"
      onConfirm={remove}
      onClose={onClose}
    >
      Applications that use <code>{apiKey.keyPrefix}…</code> are refused within seconds, for ever.
      Its conversations stay. To stop it for a while, switch it off instead.
    </ConfirmDialog>
  );
}

function NoKeys({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered)
    return (
      <Empty title="No key is called that" icon={<KeyRound aria-hidden="true" />}>
        <Link href="/keys" className="button">
          Show all keys
        </Link>
      </Empty>
    );
  return (
    <Empty title="No keys yet" icon={<KeyRound aria-hidden="true" />}>
      <p>
        An application uses the proxy with an API key of its own: it keeps its OpenAI SDK, and
        changes only the base URL and the key. Which tools its model may use is up to the key.
      </p>
      <Link href={NEW} className="button primary">
        Create the first key
      </Link>
    </Empty>
  );
}

/** How the list is sorted, by its address. Servers that cannot sort are not asked to. */
function sortingOf(place: Place): Sorting {
  const by = place.query.get("sort") ?? "createdAt";
  const order = place.query.get("order") === "asc" ? "asc" : "desc";
  const onSort = (next: string) => {
    const isOther = next !== by;
    const nextOrder = isOther
      ? next === "name"
        ? "asc"
        : "desc"
      : order === "asc"
        ? "desc"
        : "asc";
    navigate(withQuery(place, { sort: next, order: nextOrder }), { replace: true });
  };
  return { by, order, onSort };
}

interface KeyListProps {
  place: Place;
  intend: (intent: Intent) => void;
}

function KeyList({ place, intend }: KeyListProps) {
  const [q, sort, order] = ["q", "sort", "order"].map((name) => place.query.get(name));
  const list = useRows((cursor) => resources.keys({ q, sort, order, cursor }));
  const turning = useAction();
  const refresh = useRefresh();
  const keyActions: KeyActions = {
    edit: (key, tab) => withQuery(place, { key: key.id, tab: tab === "settings" ? null : tab }),
    rotate: (key) => intend({ kind: "rotate", key }),
    remove: (key) => intend({ kind: "delete", key }),
    turn: (key, isActive) =>
      turning.run(async () => {
        await actions.updateKey(key.id, { isActive });
        await refresh();
      }),
    isTurning: turning.isRunning,
  };
  return (
    <>
      {turning.error !== null && <Notice tone="bad">{turning.error.message}</Notice>}
      <Loading from={list} lines={6}>
        {(keys) => (
          <>
            {keys.length === 0 && <NoKeys isFiltered={q !== null} />}
            {keys.length > 0 && (
              <KeyTable keys={keys} actions={keyActions} sorting={sortingOf(place)} />
            )}
            <MoreRows of={list} />
          </>
        )}
      </Loading>
    </>
  );
}

function IntentDialog({
  intent,
  intend,
}: {
  intent: Intent;
  intend: (intent: Intent | null) => void;
}) {
  const close = () => intend(null);
  if (intent.kind === "show") return <SecretDialog created={intent.created} onClose={close} />;
  if (intent.kind === "delete") return <DeleteDialog apiKey={intent.key} onClose={close} />;
  return (
    <RotateDialog
      apiKey={intent.key}
      onRotated={(created) => intend({ kind: "show", created })}
      onClose={close}
    />
  );
}

/** `/keys`: who may use the proxy, with which tools, and how much. `?key=` opens one, or `new`. */
export function KeysPage({ place }: { place: Place }) {
  const [intent, intend] = useState<Intent | null>(null);
  const open = place.query.get("key");
  const close = () => navigate(withQuery(place, { key: null, tab: null }), { replace: true });
  const show = (created: CreatedKey) => {
    close();
    intend({ kind: "show", created });
  };
  return (
    <Page
      title="Keys"
      width="full"
      actions={
        <Link href={NEW} className="button primary">
          <Plus aria-hidden="true" />
          New key
        </Link>
      }
    >
      <div className="filter-bar">
        <SearchField
          place={place}
          label="Search keys"
          placeholder="Search by name, or by the key’s first or last letters"
        />
      </div>
      <KeyList place={place} intend={intend} />
      {open === "new" && <NewKeySheet onCreated={show} onClose={close} />}
      {open !== null && open !== "new" && (
        <KeySheet
          key={open}
          id={open}
          startAt={place.query.get("tab") ?? "settings"}
          onClose={close}
        />
      )}
      {intent !== null && <IntentDialog key={intent.kind} intent={intent} intend={intend} />}
    </Page>
  );
}
