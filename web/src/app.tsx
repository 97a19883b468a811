// The page around the views: their tabs, the model, light and dark, and photographs dropped or pasted anywhere.

import { useEffect, useRef, useState } from "preact/hooks";
import { ErrorNote } from "./components/error-note";
import { Working } from "./components/working";
import { useIsThere } from "./connection";
import { useModel, useModels } from "./hooks";
import { address, change, go, useRoute, VIEWS, type View } from "./route";
import { applyTheme, storedTheme, THEMES, type Theme } from "./theme";
import { ClassModelView } from "./views/class-model";
import { CompareView } from "./views/compare";
import { ConfusionsView } from "./views/confusions";
import { LayersView } from "./views/layers";
import { LocaliseView } from "./views/localise";
import { MethodsView } from "./views/methods";
import { PhotographView } from "./views/photograph";
import { SaliencyView } from "./views/saliency";
import { upload, useUploading } from "./uploads";

const TITLES: Record<View, readonly [title: string, short: string, icon: string]> = {
    photograph: ["Photograph", "Photo", "M3 6h4l2-2h6l2 2h4v13H3zM12 9a4 4 0 1 0 0 8 4 4 0 0 0 0-8z"],
    saliency: ["Saliency", "Saliency", "M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z"],
    methods: ["Methods", "Methods", "M4 6h10M18 6h2M16 4v4M4 12h2M10 12h10M8 10v4M4 18h8M16 18h4M14 16v4"],
    localise: ["Localise", "Localise", "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5M9 9h6v6H9z"],
    "class-model": ["Class model", "Model", "M12 3l2.5 6.5L21 12l-6.5 2.5L12 21l-2.5-6.5L3 12l6.5-2.5z"],
    layers: ["Layers", "Layers", "M12 3l9 5-9 5-9-5zM3 12.5l9 5 9-5M3 17l9 5 9-5"],
    compare: ["Compare", "Compare", "M3 3h7.5v7.5H3zM13.5 3H21v7.5h-7.5zM3 13.5h7.5V21H3zM13.5 13.5H21V21h-7.5z"],
    confusions: ["Confusions", "Errors", "M4 7h13M13 3l4 4-4 4M20 17H7M11 13l-4 4 4 4"],
};

const VIEW_OF = {
    photograph: PhotographView,
    saliency: SaliencyView,
    methods: MethodsView,
    localise: LocaliseView,
    "class-model": ClassModelView,
    layers: LayersView,
    compare: CompareView,
    confusions: ConfusionsView,
};

function ThemeButton() {
    const [theme, setTheme] = useState<Theme>(storedTheme);
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system";
    const glyph = { system: "◐", light: "☀", dark: "☾" }[theme];
    return (
        <button
            type="button"
            class="button button-icon"
            aria-label={`Colours: ${theme}. Change to ${next}`}
            title={`Colours: ${theme}`}
            onClick={() => {
                applyTheme(next);
                setTheme(next);
            }}
        >
            <span aria-hidden="true">{glyph}</span>
        </button>
    );
}

function ModelChoice({ model }: { readonly model: string }) {
    const { result } = useModels();
    const opened = useModel(model);
    const chosen = model || result?.find((entry) => entry.is_default)?.id;
    return (
        <label class="model-choice">
            <span class="visually-hidden">Network</span>
            <select onChange={(event) => change({ model: event.currentTarget.value })}>
                {(result ?? []).map((entry) => (
                    <option key={entry.id} value={entry.id} selected={entry.id === chosen}>
                        {opened.result?.id === entry.id ? opened.result.name : entry.name}
                    </option>
                ))}
            </select>
        </label>
    );
}

/** Photographs dropped or pasted anywhere are taken in by the view that is open. */
function useIncoming(view: View) {
    const [isOver, setOver] = useState(false);
    const [problem, setProblem] = useState<unknown>();
    const depth = useRef(0);
    useEffect(() => {
        const take = async (file: File | null | undefined) => {
            if (!file) return;
            setProblem(undefined);
            try {
                const { id } = await upload(file);
                if (view === "class-model") go("photograph", { photograph: id });
                else change({ photograph: id });
            } catch (error) {
                setProblem(error);
            }
        };
        const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
        const onDrag = (event: DragEvent) => {
            if (!hasFiles(event)) return;
            event.preventDefault();
            if (event.type === "dragenter") depth.current += 1;
            if (event.type === "dragleave") depth.current -= 1;
            setOver(depth.current > 0);
        };
        const onDrop = (event: DragEvent) => {
            if (!hasFiles(event)) return;
            event.preventDefault();
            depth.current = 0;
            setOver(false);
            void take(event.dataTransfer?.files[0]);
        };
        const onPaste = (event: ClipboardEvent) => void take([...(event.clipboardData?.files ?? [])].find((file) => file.type.startsWith("image/")));
        const kinds = ["dragenter", "dragover", "dragleave"] as const;
        for (const kind of kinds) document.addEventListener(kind, onDrag);
        document.addEventListener("drop", onDrop);
        document.addEventListener("paste", onPaste);
        return () => {
            for (const kind of kinds) document.removeEventListener(kind, onDrag);
            document.removeEventListener("drop", onDrop);
            document.removeEventListener("paste", onPaste);
        };
    }, [view]);
    return { isOver, problem, forget: () => setProblem(undefined) };
}

/** Without the list of networks, or where one cannot be opened, nothing else works. */
function ModelProblem({ model }: { readonly model: string }) {
    const models = useModels();
    const opened = useModel(model);
    const failed = [models, opened].find(({ error }) => error !== undefined);
    return failed ? <ErrorNote error={failed.error} retry={failed.retry} /> : null;
}

/** How far a photograph is that is being given to the server, wherever on the page it was opened. */
function UploadWorking() {
    const uploading = useUploading();
    const isThere = useIsThere();
    if (!uploading) return null;
    const waits = !isThere ? "waits for the server" : uploading.share === 1 ? "is being read" : undefined;
    return (
        <div class="working-holder">
            <Working label="Your photograph" share={uploading.share} waits={waits} onCancel={uploading.cancel} />
        </div>
    );
}

/** Says that the server is gone, above whatever the view shows. */
function ServerGone() {
    if (useIsThere()) return null;
    const port = location.port && location.port !== "7878" ? ` --port ${location.port}` : "";
    return (
        <div class="server-gone" role="alert">
            <p>
                <strong>Nothing answers at {location.host}.</strong> The server was stopped, or cannot be reached. Start it again with <code>deepinside serve{port}</code>: this page goes on by
                itself, with your photographs.
            </p>
        </div>
    );
}

export function App() {
    const { view, parameters } = useRoute();
    const incoming = useIncoming(view);
    const [title] = TITLES[view];
    const { result: model } = useModel(parameters.model ?? "");
    // Where no evaluation is known there is nothing to see; a link to it says how to make one.
    const views = VIEWS.filter((name) => name !== "confusions" || name === view || model?.has_confusions);
    useEffect(() => {
        document.title = `${title} · deepinside`;
    }, [title]);
    const Shown = VIEW_OF[view];
    return (
        <>
            <a class="skip" href="#main" onClick={(event) => {
                event.preventDefault();
                document.getElementById("main")?.focus();
            }}>
                Skip to the view
            </a>
            <header class="header">
                <a class="wordmark" href={address("photograph")}>
                    <svg viewBox="0 0 32 32" aria-hidden="true">
                        <circle cx="16" cy="16" r="12" class="mark-outer" />
                        <circle cx="16" cy="16" r="6.5" class="mark-inner" />
                        <circle cx="16" cy="16" r="2" class="mark-core" />
                    </svg>
                    <span>deepinside</span>
                </a>
                <nav class="tabs" aria-label="Views">
                    {views.map((name) => {
                        const [full, short, icon] = TITLES[name];
                        return (
                            <a key={name} class="tab" href={address(name)} aria-current={name === view ? "page" : undefined}>
                                <svg viewBox="0 0 24 24" aria-hidden="true">
                                    <path d={icon} />
                                </svg>
                                <span class="tab-full">{full}</span>
                                <span class="tab-short" aria-hidden="true">
                                    {short}
                                </span>
                            </a>
                        );
                    })}
                </nav>
                <div class="header-end">
                    <ModelChoice model={parameters.model ?? ""} />
                    <ThemeButton />
                </div>
            </header>
            <ServerGone />
            <main id="main" tabIndex={-1}>
                <h1 class="visually-hidden">{title}</h1>
                <ModelProblem model={parameters.model ?? ""} />
                {incoming.problem !== undefined && <ErrorNote error={incoming.problem} retry={incoming.forget} />}
                <UploadWorking />
                <Shown />
            </main>
            {incoming.isOver && <div class="drop-veil">Drop the photograph anywhere</div>}
        </>
    );
}
