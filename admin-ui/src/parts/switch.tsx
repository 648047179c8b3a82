import { Switch as Toggle } from "radix-ui";

/** On or off, at once. */
export function Switch(props: {
  label: string;
  isOn: boolean;
  isBusy?: boolean;
  onTurn: (isOn: boolean) => void;
}) {
  const { label, isOn, isBusy = false, onTurn } = props;
  return (
    <Toggle.Root
      className="switch"
      aria-label={label}
      checked={isOn}
      disabled={isBusy}
      onCheckedChange={onTurn}
    >
      <Toggle.Thumb className="thumb" />
    </Toggle.Root>
  );
}
