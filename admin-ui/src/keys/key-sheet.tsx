import { useState } from "react";
import type { ApiKey, CreatedKey } from "../api-shapes.ts";
import { actions, resources, type KeyFields } from "../http.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Loading } from "../parts/notice.tsx";
import { Tabs } from "../parts/tabs.tsx";
import { useRefresh, useResource } from "../use-resource.ts";
import { KeyForm } from "./key-form.tsx";
import { KeyTools } from "./key-tools.tsx";

/** A form for a new key. */
export function NewKeySheet({ onCreated, onClose }: { onCreated: (created: CreatedKey) => void; onClose: () => void }) {
  const refresh = useRefresh();
  const save = async (fields: KeyFields) => {
    const created = await actions.createKey(fields);
    await refresh();
    onCreated(created);
  };
  return (
    <Dialog title="New API key" kind="sheet" onClose={onClose}>
      <KeyForm apiKey={null} save={save} onCancel={onClose} />
    </Dialog>
  );
}

function KeyTabs({ apiKey, startAt, onClose }: { apiKey: ApiKey; startAt: string; onClose: () => void }) {
  const [tab, setTab] = useState(startAt);
  const refresh = useRefresh();
  const save = async (fields: KeyFields) => {
    await actions.updateKey(apiKey.id, fields);
    await refresh();
    onClose();
  };
  return (
    <Tabs
      label={`Key ${apiKey.name}`}
      value={tab}
      onChange={setTab}
      tabs={[
        { value: "settings", label: "Settings and limits", content: <KeyForm apiKey={apiKey} save={save} onCancel={onClose} /> },
        { value: "tools", label: `Tools · ${apiKey.toolIds.length}`, content: <KeyTools apiKey={apiKey} /> },
      ]}
    />
  );
}

/** A key's settings and tools. */
export function KeySheet({ id, startAt, onClose }: { id: string; startAt: string; onClose: () => void }) {
  const key = useResource(resources.key(id));
  return (
    <Dialog title={key.data?.name ?? "API key"} kind="sheet" onClose={onClose}>
      <Loading from={key}>{(apiKey) => <KeyTabs key={apiKey.id} apiKey={apiKey} startAt={startAt} onClose={onClose} />}</Loading>
    </Dialog>
  );
}
