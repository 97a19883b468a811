// The names that the server understands, with words for people.

import type { Option } from "./components/controls";

export const RULES: readonly Option[] = [
    ["gradient", "Gradient"],
    ["deconvnet", "DeconvNet"],
    ["guided", "Guided backpropagation"],
    ["smooth", "Smooth gates"],
];

export const CROPS: readonly Option[] = [
    ["", "The model's own"],
    ["centre", "Centre"],
    ["ten", "Ten crops, averaged"],
    ["whole", "Whole photograph, squeezed"],
    ["mirrored-centre", "Centre, mirrored"],
    ["top-left", "Top left"],
    ["top-right", "Top right"],
    ["bottom-left", "Bottom left"],
    ["bottom-right", "Bottom right"],
];
