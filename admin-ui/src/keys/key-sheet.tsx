import { useState } from "react";
import type { ApiKey, CreatedKey } from "../api-shapes.ts";
import { actions, resources, type KeyFields } from "../http.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Loading } from "../parts/notice.tsx";
import { Tabs } from "../parts/tabs.tsx";
import { useRefresh, useResource } from "../use-resource.ts";
import { Connect, useOf } from "./connect.tsx";
import { KeyForm } from "./key-form.tsx";
import { KeyTools } from "./key-tools.tsx";

/** A form for a new key. */
export function NewKeySheet({
  onCreated,
  onClose,
}: {
  onCreated: (created: CreatedKey) => void;
  onClose: () => void;
}) {
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

/** What stands in the place of a key that is not known any more. */
const PLACEHOLDER = "YOUR_PROXY_KEY";

function ConnectTab({ apiKey }: { apiKey: ApiKey }) {
  return (
    <div className="connect">
      <p>
        Put the key that begins with <code>{apiKey.keyPrefix}</code> in the place of{" "}
        <code>{PLACEHOLDER}</code>. The proxy does not know it: it was shown when it was made. If it
        is lost, rotate the key.
      </p>
      <Connect use={useOf(PLACEHOLDER, apiKey.allowedModels)} />
    </div>
  );
}

function KeyTabs({
  apiKey,
  startAt,
  onClose,
}: {
  apiKey: ApiKey;
  startAt: string;
  onClose: () => void;
}) {
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
        {
          value: "settings",
          label: "Settings and limits",
          content: <KeyForm apiKey={apiKey} save={save} onCancel={onClose} />,
        },
        {
          value: "tools",
          label: `Tools · ${apiKey.toolIds.length}`,
          content: <KeyTools apiKey={apiKey} />,
        },
        { value: "connect", label: "Connect", content: <ConnectTab apiKey={apiKey} /> },
      ]}
    />
  );
}

/** A key's settings and tools. */
export function KeySheet({
  id,
  startAt,
  onClose,
}: {
  id: string;
  startAt: string;
  onClose: () => void;
}) {
  const key = useResource(resources.key(id));
  return (
    <Dialog title={key.data?.name ?? "API key"} kind="sheet" onClose={onClose}>
      <Loading from={key}>
        {(apiKey) => (
          <KeyTabs key={apiKey.id} apiKey={apiKey} startAt={startAt} onClose={onClose} />
        )}
      </Loading>
    </Dialog>
  );
}
