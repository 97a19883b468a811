// Makes a PNG small: 256 colours (median cut) with the error spread to the neighbours (Floyd and Steinberg 1976).

import { crc32, deflateSync } from "node:zlib";
import { PNG } from "pngjs";

const COLOURS = 256;

function palette(data) {
    // Colours with five bits a channel and how often each is there; what is seldom still gets a place by the extent of its box.
    const counts = new Map();
    for (let index = 0; index < data.length; index += 4) {
        const key = ((data[index] >> 2) << 12) | ((data[index + 1] >> 2) << 6) | (data[index + 2] >> 2);
        counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const colours = [...counts].map(([key, count]) => ({ levels: [(key >> 12) * 4 + 2, ((key >> 6) & 63) * 4 + 2, (key & 63) * 4 + 2], count }));
    const measure = (members) => {
        const extents = [0, 1, 2].map((channel) => {
            const levels = members.map((member) => member.levels[channel]);
            return levels.reduce((a, b) => Math.max(a, b)) - levels.reduce((a, b) => Math.min(a, b));
        });
        const channel = extents.indexOf(Math.max(...extents));
        const weight = members.reduce((sum, { count }) => sum + count, 0);
        return { members, channel, cost: extents[channel] ** 2 * Math.sqrt(weight) };
    };
    const boxes = [measure(colours)];
    while (boxes.length < COLOURS) {
        boxes.sort((a, b) => a.cost - b.cost);
        const box = boxes.pop();
        if (!box || box.members.length < 2) {
            if (box) boxes.push(box);
            break;
        }
        const ordered = box.members.sort((a, b) => a.levels[box.channel] - b.levels[box.channel]);
        const half = ordered.reduce((sum, { count }) => sum + count, 0) / 2;
        let [sum, cut] = [0, 0];
        while (cut < ordered.length - 1 && sum < half) sum += ordered[cut++].count;
        boxes.push(measure(ordered.slice(0, cut)), measure(ordered.slice(cut)));
    }
    return boxes.map(({ members }) => {
        const weight = members.reduce((sum, { count }) => sum + count, 0);
        return [0, 1, 2].map((channel) => Math.round(members.reduce((sum, { levels, count }) => sum + levels[channel] * count, 0) / weight));
    });
}

function chunk(kind, content) {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(content.length);
    const body = Buffer.concat([Buffer.from(kind, "latin1"), content]);
    const check = Buffer.alloc(4);
    check.writeUInt32BE(crc32(body));
    return Buffer.concat([head, body, check]);
}

/** The bytes of a PNG with at most 256 colours that looks like the given one. */
export function indexed(bytes) {
    const { width, height, data } = PNG.sync.read(bytes);
    const colours = palette(data);
    const nearest = new Map();
    const find = (red, green, blue) => {
        const key = (red << 16) | (green << 8) | blue;
        let best = nearest.get(key);
        if (best === undefined) {
            let least = Infinity;
            colours.forEach(([r, g, b], index) => {
                const distance = (r - red) ** 2 * 2 + (g - green) ** 2 * 4 + (b - blue) ** 2;
                if (distance < least) [least, best] = [distance, index];
            });
            nearest.set(key, best);
        }
        return best;
    };
    const rows = Buffer.alloc(height * (width + 1));
    const errors = new Float32Array((width + 2) * 3 * 2);
    const stride = (width + 2) * 3;
    for (let y = 0; y < height; y++) {
        const [now, next] = y % 2 ? [stride, 0] : [0, stride];
        errors.fill(0, next, next + stride);
        for (let x = 0; x < width; x++) {
            const wanted = [0, 1, 2].map((channel) => Math.min(Math.max(Math.round(data[(y * width + x) * 4 + channel] + errors[now + (x + 1) * 3 + channel]), 0), 255));
            const index = find(...wanted);
            rows[y * (width + 1) + 1 + x] = index;
            wanted.forEach((level, channel) => {
                // Flat areas stay flat: only what is clearly off is spread.
                const error = level - colours[index][channel];
                if (Math.abs(error) < 3) return;
                errors[now + (x + 2) * 3 + channel] += (error * 7) / 16;
                errors[next + x * 3 + channel] += (error * 3) / 16;
                errors[next + (x + 1) * 3 + channel] += (error * 5) / 16;
                errors[next + (x + 2) * 3 + channel] += error / 16;
            });
        }
    }
    const header = Buffer.alloc(13);
    header.writeUInt32BE(width, 0);
    header.writeUInt32BE(height, 4);
    header.set([8, 3, 0, 0, 0], 8);
    return Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), chunk("IHDR", header), chunk("PLTE", Buffer.from(colours.flat())), chunk("IDAT", deflateSync(rows, { level: 9 })), chunk("IEND", Buffer.alloc(0))]);
}
