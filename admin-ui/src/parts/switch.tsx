/** On or off, at once. */
export function Switch(props: { label: string; isOn: boolean; isBusy: boolean; onTurn: () => void }) {
  const { label, isOn, isBusy, onTurn } = props;
  return (
    <button type="button" role="switch" className="switch" aria-checked={isOn} aria-label={label} disabled={isBusy} onClick={onTurn}>
      <span aria-hidden="true">{isOn ? "on" : "off"}</span>
    </button>
  );
}
