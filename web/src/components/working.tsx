// How far a computation is that takes more than a moment, with a way to end it.

import { useEffect, useState } from "preact/hooks";
import { percent } from "../arrays";
import { useIsThere } from "../connection";
import type { Job } from "../hooks";

/** What takes less, in milliseconds, needs no words. */
const A_MOMENT = 700;

interface WorkingProps {
    /** What is done, as "Computing the map". */
    readonly label: string;
    /** Between 0 and 1; undefined where that is not known. */
    readonly share: number | undefined;
    /** What it waits for, instead of how far it is. */
    readonly waits?: string | undefined;
    readonly onCancel: () => void;
}

export function Working({ label, share, waits, onCancel }: WorkingProps) {
    return (
        <div class="working">
            <span class="working-label" id="working-label">
                {label} <strong>{waits ?? (share === undefined ? "…" : percent(share))}</strong>
            </span>
            <progress class="working-bar" aria-labelledby="working-label" {...(share === undefined ? {} : { value: share })} />
            <button type="button" class="button button-small" onClick={onCancel}>
                Cancel
            </button>
        </div>
    );
}

/** The same for a job, once it has taken more than a moment; and what to do about one that was cancelled. */
export function JobWorking<T>({ job, label }: { readonly job: Job<T>; readonly label: string }) {
    const isThere = useIsThere();
    const [isLong, setLong] = useState(false);
    useEffect(() => {
        setLong(false);
        if (!job.isRunning) return undefined;
        const timer = setTimeout(() => setLong(true), A_MOMENT);
        return () => clearTimeout(timer);
    }, [job.isRunning]);
    if (job.isCancelled) {
        return (
            <p class="notice working-cancelled">
                {label} was cancelled.{" "}
                <button type="button" class="button button-small" onClick={job.retry}>
                    Do it after all
                </button>
            </p>
        );
    }
    if (!job.isRunning || !isLong) return null;
    const waits = !isThere ? "waits for the server" : job.progress?.isWaiting ? "waits for its turn" : undefined;
    return <Working label={label} share={job.progress?.share} waits={waits} onCancel={job.cancel} />;
}
