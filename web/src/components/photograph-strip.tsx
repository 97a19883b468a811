// The photographs at hand as small pictures: the examples, and what this page uploaded.

import { useState } from "preact/hooks";
import { isAbort, sentence } from "./error-note";
import { useExamples, usePhotograph } from "../hooks";
import { upload, uploadedIds } from "../uploads";

interface ThumbnailProps {
    readonly id: string;
    readonly name: string;
    readonly isChosen: boolean;
    readonly onChoose: (id: string) => void;
}

function Thumbnail({ id, name, isChosen, onChoose }: ThumbnailProps) {
    const { result } = usePhotograph(id);
    return (
        <button type="button" class="thumbnail" aria-pressed={isChosen} aria-label={`Photograph: ${name}`} title={name} onClick={() => onChoose(id)}>
            {result && <img src={result.image.src} alt="" />}
        </button>
    );
}

interface StripProps {
    readonly chosen: string;
    readonly onChoose: (id: string) => void;
}

export function PhotographStrip({ chosen, onChoose }: StripProps) {
    const examples = useExamples();
    const uploads = uploadedIds();
    const [problem, setProblem] = useState("");
    const others = [...uploads, ...(chosen && !uploads.includes(chosen) && !chosen.startsWith("example-") ? [chosen] : [])];
    const open = async (file: File | undefined) => {
        if (!file) return;
        setProblem("");
        try {
            onChoose((await upload(file)).id);
        } catch (error) {
            if (!isAbort(error)) setProblem(sentence(error));
        }
    };
    return (
        <div class="strip-holder">
            <div class="strip" role="group" aria-label="Photographs">
                {others.map((id) => (
                    <Thumbnail key={id} id={id} name="yours" isChosen={id === chosen} onChoose={onChoose} />
                ))}
                {(examples.result ?? []).map(({ id, name, credit }) => (
                    <Thumbnail key={id} id={id} name={`${name} (${credit})`} isChosen={id === chosen} onChoose={onChoose} />
                ))}
                <label class="thumbnail thumbnail-open">
                    <input
                        type="file"
                        accept="image/*"
                        class="visually-hidden"
                        onChange={(event) => {
                            void open(event.currentTarget.files?.[0]);
                            event.currentTarget.value = "";
                        }}
                    />
                    <span aria-hidden="true">+</span>
                    <span class="visually-hidden">Open a photograph of yours</span>
                </label>
            </div>
            {problem && (
                <p class="error-note" role="alert">
                    {problem}
                </p>
            )}
        </div>
    );
}
