// The photographs of a data set that excite a unit most, beside each what of it the activation depends on.

import { useState } from "preact/hooks";
import { api } from "../api";
import type { ExemplarsAnswer } from "../api-types";
import { readable } from "../arrays";
import { useJob } from "../hooks";
import { Busy, Segments } from "./controls";
import { ErrorNote } from "./error-note";

/** The methods of the rules, where they have other names. */
const METHODS: Readonly<Record<string, string>> = { smooth: "smooth-gates" };

const SHOWS = [
    ["picture", "Photographs"],
    ["map", "What the unit looks at"],
] as const;

interface ExemplarsProps {
    readonly modelId: string | undefined;
    readonly value: string;
    readonly channel: number;
    /** What rectifiers do on the way back from the unit. */
    readonly rule: string;
}

export function Exemplars({ modelId, value, channel, rule }: ExemplarsProps) {
    const [shown, show] = useState<string>("picture");
    const found = useJob(JSON.stringify([modelId, value, channel, rule]), (signal) => api.exemplars({ model: modelId, value, channel, method: METHODS[rule] ?? rule }, signal));
    const { result } = found;
    return (
        <section class="exemplars" aria-label={`Photographs that excite channel ${channel} of ${value}`}>
            <h3>Photographs that excite it most</h3>
            <Busy isBusy={found.isRunning} label="Drawing exemplars" />
            <ErrorNote error={found.error} retry={found.retry} />
            {result && (
                <>
                    <p class="hint">
                        Above zero in {result.active} of {result.photographs} photographs; its largest activation is {readable(result.mean)} on average.
                    </p>
                    {result.histogram.length > 0 && <Distribution bars={result.histogram} />}
                    <Segments label="What is shown of each" value={shown} options={SHOWS} onChange={show} />
                    <ol class="exemplar-list">
                        {result.exemplars.map((exemplar) => (
                            <li key={exemplar.photograph}>
                                {exemplar.seen ? (
                                    <img src={shown === "map" ? exemplar.seen.map : exemplar.seen.picture} width={112} height={112} alt={`What channel ${channel} sees of ${exemplar.photograph}`} />
                                ) : (
                                    <p class="hint">cannot be read any more</p>
                                )}
                                <p title={exemplar.photograph}>{exemplar.photograph}</p>
                                <p class="hint">{readable(exemplar.activation)}</p>
                            </li>
                        ))}
                    </ol>
                </>
            )}
        </section>
    );
}

/** How many photographs have a largest activation of at least 2ᵏ and below 2ᵏ⁺¹. */
function Distribution({ bars }: { readonly bars: ExemplarsAnswer["histogram"] }) {
    const most = Math.max(...bars.map(({ photographs }) => photographs));
    return (
        <figure class="distribution">
            <svg viewBox={`0 0 ${bars.length} 10`} preserveAspectRatio="none" role="img" aria-label={`Largest activations: ${bars.map(({ exponent, photographs }) => `${photographs} from ${readable(2 ** exponent)}`).join(", ")}`}>
                {bars.map(({ exponent, photographs }, index) => (
                    <rect key={exponent} x={index + 0.05} width={0.9} y={10 - (10 * photographs) / most} height={(10 * photographs) / most} fill="currentColor" />
                ))}
            </svg>
            <figcaption class="hint">
                {readable(2 ** (bars[0]?.exponent ?? 0))} to {readable(2 ** ((bars[bars.length - 1]?.exponent ?? 0) + 1))}, by powers of two
            </figcaption>
        </figure>
    );
}
