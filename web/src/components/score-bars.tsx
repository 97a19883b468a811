// The best classes as bars of their probability, with the unnormalised score that saliency differentiates.

import type { ClassScore } from "../api-types";
import { percent } from "../arrays";

interface ScoreBarsProps {
    readonly top: readonly ClassScore[];
    /** Where a class leads, if anywhere. */
    readonly address?: (entry: ClassScore) => string;
    /** Whether bars glide to their new lengths. Each step of that lays the page out anew, which a camera has no time for. */
    readonly moves?: boolean;
}

export function ScoreBars({ top, address, moves = true }: ScoreBarsProps) {
    return (
        <ol class={moves ? "score-bars score-bars-moving" : "score-bars"}>
            {top.map((entry) => {
                const text = (
                    <>
                        <span class="score-name">{entry.name}</span>
                        <span class="score-probability">{percent(entry.probability)}</span>
                        <span class="score-track" aria-hidden="true">
                            <span class="score-bar" style={{ width: `${Math.max(entry.probability * 100, 0.4)}%` }} />
                        </span>
                        <small class="score-detail">
                            class {entry.index}
                            {entry.synset ? ` · ${entry.synset}` : ""}
                            {Number.isFinite(entry.score) ? ` · score ${entry.score.toFixed(2)}` : ""}
                        </small>
                    </>
                );
                return <li key={entry.index}>{address ? <a href={address(entry)}>{text}</a> : <div>{text}</div>}</li>;
            })}
        </ol>
    );
}
