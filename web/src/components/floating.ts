// A list that belongs to a field and lies over everything else.

import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";

/** The highest that such a list is, in pixels. */
const HIGHEST = 288;
const GAP = 2;

/** Shows `list` below `field`, or above it where there is more room, between the header and what lies at the bottom of a phone. */
export function useFloating(field: RefObject<HTMLElement | null>, list: RefObject<HTMLElement | null>, isOpen: boolean): void {
    useLayoutEffect(() => {
        const [anchor, floating] = [field.current, list.current];
        if (!anchor || !floating || !isOpen) return undefined;
        const place = () => {
            const { left, right, top, bottom } = anchor.getBoundingClientRect();
            const ceiling = document.querySelector(".header")?.getBoundingClientRect().bottom ?? 0;
            const tabs = document.querySelector(".tabs")?.getBoundingClientRect().top ?? 0;
            const floor = tabs > ceiling ? tabs : innerHeight;
            const [above, below] = [top - ceiling - 2 * GAP, floor - bottom - 2 * GAP];
            const isBelow = below >= Math.min(HIGHEST, above);
            Object.assign(floating.style, {
                left: `${left}px`,
                width: `${right - left}px`,
                maxHeight: `${Math.min(HIGHEST, Math.max(isBelow ? below : above, 0))}px`,
                top: isBelow ? `${bottom + GAP}px` : "auto",
                bottom: isBelow ? "auto" : `${innerHeight - top + GAP}px`,
            });
        };
        place();
        floating.showPopover();
        // Whatever scrolls or changes its size moves the field.
        addEventListener("scroll", place, { capture: true, passive: true });
        addEventListener("resize", place);
        return () => {
            removeEventListener("scroll", place, { capture: true });
            removeEventListener("resize", place);
            floating.hidePopover();
        };
    }, [isOpen]);
}
