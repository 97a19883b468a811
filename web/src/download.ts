// Files that the page gives to the reader.

export function download(content: Blob | Uint8Array<ArrayBuffer>, name: string): void {
    const blob = content instanceof Blob ? content : new Blob([content]);
    const anchor = document.createElement("a");
    anchor.href = URL.createObjectURL(blob);
    anchor.download = name;
    anchor.click();
    // The browser must have begun to read it.
    setTimeout(() => URL.revokeObjectURL(anchor.href), 10_000);
}

export function downloadCanvas(canvas: HTMLCanvasElement, name: string): void {
    canvas.toBlob((blob) => blob && download(blob, name), "image/png");
}

/** A name as a file may have it. */
export function fileName(...parts: readonly (string | number)[]): string {
    return parts.join("-").toLowerCase().replaceAll(/[^a-z0-9.]+/g, "-").replaceAll(/^-+|-+$/g, "");
}
