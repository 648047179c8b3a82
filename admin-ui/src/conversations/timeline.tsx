import { useState } from "react";
import { formatDuration } from "../format.ts";
import { Segments } from "../parts/segments.tsx";
import { stepId, timedStepsOf, type TimedStep, type TurnSteps } from "./read-record.ts";

type Scale = "order" | "time";

const SCALES = [
  { value: "order", label: "Order" },
  { value: "time", label: "Time" },
] as const;

/** The least that can be seen and clicked, in percent. */
const NARROWEST = 1.5;

const percent = (part: number, whole: number) => `${whole === 0 ? 0 : (part / whole) * 100}%`;

/** Where a bar begins, how long it is, and how much of it is waiting. */
function barOf(step: TimedStep, scale: Scale, steps: TimedStep[]) {
  const waiting = percent(step.waitMs, step.durationMs);
  if (scale === "order") {
    const places = Math.max(...steps.map(({ place }) => place)) + 1;
    return { left: percent(step.place, places), width: percent(1, places), waiting };
  }
  const whole = Math.max(...steps.map(({ startMs, durationMs }) => startMs + durationMs), 1);
  const width = Math.max((step.durationMs / whole) * 100, NARROWEST);
  return {
    left: `${Math.min((step.startMs / whole) * 100, 100 - width)}%`,
    width: `${width}%`,
    waiting,
  };
}

/** Shows a step in the chat, unfolded. */
function show(id: string): void {
  const element = document.getElementById(id);
  if (element instanceof HTMLDetailsElement) element.open = true;
  element?.scrollIntoView({
    block: "center",
    behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth",
  });
  element?.animate([{ backgroundColor: "var(--accent-ground)" }, {}], 1200);
}

function Step({ step, scale, steps }: { step: TimedStep; scale: Scale; steps: TimedStep[] }) {
  const { left, width, waiting } = barOf(step, scale, steps);
  return (
    <li>
      <button
        type="button"
        className={`step of-${step.kind}${step.hasFailed ? " failed" : ""}`}
        onClick={() => show(step.id)}
      >
        <span className="step-name">{step.name}</span>
        <span className="track" aria-hidden="true">
          <span className="step-bar" style={{ left, width }}>
            <span className="waiting" style={{ width: waiting }} />
          </span>
        </span>
        <span className="step-time">{formatDuration(step.durationMs)}</span>
        {step.hasFailed && <span className="unseen">failed</span>}
      </button>
    </li>
  );
}

function TurnTimeline({ turn, number, scale }: { turn: TurnSteps; number: number; scale: Scale }) {
  const steps = timedStepsOf(turn);
  return (
    <section>
      <h3>
        <button type="button" className="link" onClick={() => show(stepId(turn.turn.id, "turn"))}>
          Turn {number}
        </button>
        <span className="hint">{formatDuration(turn.turn.durationMs)}</span>
      </h3>
      <ol>
        {steps.map((step) => (
          <Step key={step.id} step={step} scale={scale} steps={steps} />
        ))}
      </ol>
    </section>
  );
}

/**
 * What ran when: rounds and tools, in their order or to scale. A tool of 40 ms is not to be seen
 * beside a model's 30 s, hence both.
 */
export function Timeline({ turns }: { turns: TurnSteps[] }) {
  const [scale, setScale] = useState<Scale>("order");
  if (turns.every(({ rounds }) => rounds.length === 0)) return null;
  return (
    <section className="timeline" aria-label="Timeline">
      <header>
        <h2>Timeline</h2>
        <Segments label="Scale" choices={SCALES} value={scale} onChange={setScale} />
      </header>
      {turns.map((turn, index) => (
        <TurnTimeline key={turn.turn.id} turn={turn} number={index + 1} scale={scale} />
      ))}
    </section>
  );
}
