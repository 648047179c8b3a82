import { Tabs as Tabbed } from "radix-ui";
import type { ReactNode } from "react";

/** One tab: its name, and what is on it. */
export interface Tab {
  value: string;
  label: ReactNode;
  content: ReactNode;
}

/** Views of one thing, one at a time. */
export function Tabs(props: {
  label: string;
  tabs: Tab[];
  value: string;
  onChange: (value: string) => void;
}) {
  const { label, tabs, value, onChange } = props;
  return (
    <Tabbed.Root className="tabs" value={value} onValueChange={onChange}>
      <Tabbed.List className="tab-list" aria-label={label}>
        {tabs.map((tab) => (
          <Tabbed.Trigger key={tab.value} value={tab.value}>
            {tab.label}
          </Tabbed.Trigger>
        ))}
      </Tabbed.List>
      {tabs.map((tab) => (
        <Tabbed.Content key={tab.value} value={tab.value} className="tab">
          {tab.content}
        </Tabbed.Content>
      ))}
    </Tabbed.Root>
  );
}
