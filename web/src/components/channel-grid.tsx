// The channels of a value as small maps, a page at a time.

import { useEffect, useMemo, useState } from "preact/hooks";
import { extremes, plane, readable, type NumberArray, type NumberMap, type Range } from "../arrays";
import type { ColourMap } from "../colour-maps";
import { Segments, Toggle, type Option } from "./controls";
import { MapCanvas, symmetric } from "./map-canvas";

/** A phone shows fewer, since what a channel leads to stands below them. */
const PAGE = matchMedia("(max-width: 900px)").matches ? 40 : 96;
const ORDERS: readonly Option[] = [
    ["channel", "By number"],
    ["strength", "Strongest first"],
];

interface ChannelGridProps {
    readonly numbers: NumberArray;
    readonly isSigned: boolean;
    readonly chosen: number;
    readonly onChoose: (channel: number) => void;
}

interface Channel {
    readonly index: number;
    readonly map: NumberMap;
    readonly range: Range;
    readonly strength: number;
}

export function ChannelGrid({ numbers, isSigned, chosen, onChoose }: ChannelGridProps) {
    const [order, setOrder] = useState("channel");
    const [isShared, setShared] = useState(false);
    const [page, setPage] = useState(0);
    const channels = useMemo((): readonly Channel[] => {
        const count = numbers.shape[0] ?? 0;
        return Array.from({ length: count }, (_, index) => {
            const map = plane(numbers, index);
            const range = extremes(map.data);
            return { index, map, range, strength: Math.max(Math.abs(range.low), Math.abs(range.high)) };
        });
    }, [numbers]);
    const ordered = useMemo(() => (order === "strength" ? [...channels].sort((a, b) => b.strength - a.strength) : channels), [channels, order]);
    const all = useMemo((): Range => {
        const high = Math.max(0, ...channels.map(({ range }) => range.high));
        const low = Math.min(0, ...channels.map(({ range }) => range.low));
        return isSigned ? { low: -Math.max(high, -low), high: Math.max(high, -low) } : { low, high };
    }, [channels, isSigned]);
    const pages = Math.ceil(ordered.length / PAGE);
    // The page with the chosen channel, when it was chosen elsewhere.
    useEffect(() => {
        const position = ordered.findIndex(({ index }) => index === chosen);
        setPage(position >= 0 ? Math.floor(position / PAGE) : 0);
    }, [ordered, chosen]);
    const shown = ordered.slice(page * PAGE, (page + 1) * PAGE);
    const colours: ColourMap = isSigned ? "blue-white-red" : "viridis";
    const isVector = (shown[0]?.map.width ?? 1) * (shown[0]?.map.height ?? 1) === 1;
    return (
        <div class="channels">
            <div class="channels-tools">
                <Segments label="Order" value={order} options={ORDERS} onChange={setOrder} />
                <Toggle label="One scale for all" isOn={isShared || isVector} isDisabled={isVector} onChange={setShared} />
            </div>
            <div class={`channels-grid ${isVector ? "channels-vector" : ""}`} role="group" aria-label="Channels">
                {shown.map(({ index, map, range, strength }) => (
                    <button
                        key={index}
                        type="button"
                        class="channel"
                        aria-pressed={index === chosen}
                        aria-label={`Channel ${index}, strongest ${readable(strength)}`}
                        title={`channel ${index}: ${readable(range.low)} to ${readable(range.high)}`}
                        onClick={() => onChoose(index)}
                    >
                        <MapCanvas map={map} colours={colours} class={map.width > 64 ? "smooth" : ""} range={isShared || isVector ? all : isSigned ? symmetric(map) : range} />
                        <span>{index}</span>
                    </button>
                ))}
            </div>
            {pages > 1 && (
                <nav class="pages" aria-label="Pages of channels">
                    <button type="button" class="button" disabled={page === 0} onClick={() => setPage(page - 1)}>
                        Before
                    </button>
                    <span>
                        {page * PAGE + 1} – {Math.min((page + 1) * PAGE, ordered.length)} of {ordered.length}
                    </span>
                    <button type="button" class="button" disabled={page === pages - 1} onClick={() => setPage(page + 1)}>
                        Next
                    </button>
                </nav>
            )}
        </div>
    );
}
