// What must be said about a result, below it.

import type { ClassScore } from "../api-types";
import { firstName } from "../label-places";

/** Sentences of the server, such as about a backward rule in this network. */
export function Notes({ notes }: { readonly notes: readonly string[] | undefined }) {
    return (
        <>
            {notes?.map((note) => (
                <p key={note} class="notice">
                    {note}.
                </p>
            ))}
        </>
    );
}

/** That the class is the one of the model's own crop, where the parts that were looked at would have chosen another. */
export function OtherChoice({ other, parts }: { readonly other: ClassScore | null | undefined; readonly parts: string }) {
    if (!other) return null;
    return (
        <p class="notice">
            {parts} would name <em>{firstName(other.name)}</em>; explained is the class that the network names by its own crop.
        </p>
    );
}
