import { Ellipsis } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";

/** One thing that can be done. */
export interface MenuItem {
  name: string;
  icon: ReactNode;
  onSelect: () => void;
  isDangerous?: boolean;
}

/**
 * What else can be done with something, behind a button with three dots. Not modal: that would need
 * a style of its own in the document.
 */
export function Menu({ label, items }: { label: string; items: MenuItem[] }) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger className="icon-button" aria-label={label}>
        <Ellipsis aria-hidden="true" />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="end" sideOffset={4} collisionPadding={8}>
          {items.map(({ name, icon, onSelect, isDangerous = false }) => (
            <DropdownMenu.Item
              key={name}
              className={isDangerous ? "menu-item bad" : "menu-item"}
              onSelect={onSelect}
            >
              {icon}
              {name}
            </DropdownMenu.Item>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
