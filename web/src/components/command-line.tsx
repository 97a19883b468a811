// The last lines of every view: how to get the same from the command line, and the link that restores the view.

import { useState } from "preact/hooks";
import type { ModelInfo } from "../api-types";
import { useCurrent } from "../current";
import { link, useRoute } from "../route";
import { nameOfFile } from "../uploads";

async function copy(text: string): Promise<boolean> {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        // Browsers give the clipboard to secure origins only, and another machine's plain address is none.
        const field = document.createElement("textarea");
        field.value = text;
        document.body.append(field);
        field.select();
        const isCopied = document.execCommand("copy");
        field.remove();
        return isCopied;
    }
}

function CopyButton({ text, label }: { readonly text: () => string; readonly label: string }) {
    const [said, setSaid] = useState("");
    const onClick = async () => {
        setSaid((await copy(text())) ? "Copied" : "Not allowed here");
        setTimeout(() => setSaid(""), 1600);
    };
    return (
        <button type="button" class="button button-small" onClick={onClick}>
            <span aria-live="polite">{said || label}</span>
        </button>
    );
}

/** How the command line is told of a model that is not its own. */
export function flagged(model: ModelInfo | undefined): readonly string[] {
    const flag = model?.flag;
    if (!flag) return [];
    return [`-m ${word(flag)}`];
}

/** A word as a shell reads it. */
const word = (text: string): string => (/^[\w./=,:@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** The command with the file's name where the server, which knows the content alone, says PHOTOGRAPH. A name must not pass for a flag. */
export function named(command: string, file: string | undefined): string {
    if (file === undefined) return command;
    return command.replace(/^(deepinside [\w-]+) PHOTOGRAPH(?= |$)/gm, (_, start: string) => `${start} ${word(file.startsWith("-") ? `./${file}` : file)}`);
}

export function CommandLine({ command: said }: { readonly command: string | undefined }) {
    useRoute();
    const { photographId } = useCurrent();
    const command = said && named(said, nameOfFile(photographId));
    return (
        <footer class="command-line">
            <div class="command-line-row">
                <h2 class="small-heading">Same as command line</h2>
                {command && <CopyButton text={() => command} label="Copy command" />}
                <CopyButton text={link} label="Copy link to this view" />
            </div>
            <code class="command" tabIndex={0} role="textbox" aria-readonly="true" aria-multiline="true" aria-label="The command that gives the same result">
                {command ? command.split("\n").map((line, index) => <span key={index}>{line}</span>) : "…"}
            </code>
        </footer>
    );
}
