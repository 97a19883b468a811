// What a view works on: the model and the photograph of the address, or the first at hand.

import type { OpenModel } from "./api";
import { useExamples, useModel, usePhotograph, type Job, type ShownPhotograph } from "./hooks";
import { useRoute } from "./route";

export interface Current {
    /** The model's id for requests; undefined stands for the server's default. */
    readonly modelId: string | undefined;
    readonly model: OpenModel | undefined;
    readonly photographId: string;
    readonly photograph: Job<ShownPhotograph>;
}

export function useCurrent(): Current {
    const { parameters } = useRoute();
    const examples = useExamples();
    const { result: model } = useModel(parameters.model ?? "");
    const photographId = parameters.photograph ?? examples.result?.[0]?.id ?? "";
    const photograph = usePhotograph(photographId);
    return { modelId: parameters.model, model, photographId, photograph };
}
