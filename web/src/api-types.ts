// Made from the server's OpenAPI document by `npm run api-types`: do not change it by hand.

/** An array in a form. */
export interface ArrayForm {
    /** The file. */
    readonly array: Blob;
}

/** An array that is in memory. */
export interface ArrayInfo {
    /** Its name, made from the content of its file. */
    readonly id: string;
    /** Its extents. */
    readonly shape: readonly number[];
}

/** Attributions of one target. */
export interface AttributionAnswer {
    /** One for each layer, or one. */
    readonly attributions: readonly AttributionMap[];
    /** The command line that does the same. */
    readonly command: string;
    /** Its number. */
    readonly number: number;
    /** Where the maps lie in the photograph: left, top, right, bottom, in its pixels. */
    readonly region: readonly [number, number, number, number];
    /** How long it took, excluding queue time. */
    readonly seconds: number;
    /** The target in the grammar that requests take. */
    readonly target: string;
    /** The target in words. */
    readonly title: string;
}

/** An attribution. */
export interface AttributionMap {
    /** What the attributions add up to, and what they should. */
    readonly completeness?: readonly [number, number] | null;
    /** The layer. */
    readonly layer?: string | null;
    /** One number a pixel or position: the largest magnitude over channels where there are channels. Not scaled. */
    readonly map: Numbers;
    /** What must be known about it. */
    readonly notes: readonly string[];
    /** The attribution as it is: C × H × W for input gradients, rows × columns for layers. */
    readonly values: Numbers;
}

/** Which photograph, what about it, and how. */
export interface AttributionRequest {
    /** The part of the photograph; the model's own crop by default. */
    readonly crop?: string | null;
    /** The layers that it looks at, by the names of their values; the method chooses where there are none. */
    readonly layers?: readonly string[];
    /** The method, by a name of `/methods`. */
    readonly method: string;
    /** The model; the default one by default. */
    readonly model?: string | null;
    /** Its parameters by name: numbers, words, flags, and arrays as `{"array": ID}`, where `/arrays` gave the id. */
    readonly parameters?: Readonly<Record<string, string>>;
    /** The photograph. */
    readonly photograph: string;
    /** What is explained, as on the command line; the most probable class by default. */
    readonly target?: string | null;
}

/** A map of the matrix. */
export type Cell = ClassMap & {
    /** Where it lies in the photograph: left, top, right, bottom, in its pixels. */
    readonly region: readonly [number, number, number, number];
    /** The parts of the photograph that the network saw, in the same form. Elsewhere the map is 0 and says nothing. */
    readonly seen: readonly Place[];
};

/** A change of the recipe on the way. */
export interface Change {
    /** What was changed, by the names of the recipe's fields. */
    readonly changes: Readonly<Record<string, unknown>>;
    /** After how many steps. */
    readonly iteration: number;
}

/** Changes on the way. */
export interface ChangeRequest {
    /** What is changed of the recipe from the next step on. What is settled when an ascent begins cannot be. */
    readonly changes: RecipeChanges;
}

/** A class. */
export interface ClassInfo {
    /** The class. */
    readonly index: number;
    /** Its name. */
    readonly name: string;
    /** Its WordNet synset, where the names state one. */
    readonly synset?: string | null;
}

/** A map with what it is about. */
export interface ClassMap {
    /** The class, with its score for what the map was made from. */
    readonly class: ClassScore;
    /** Whether the map is the same everywhere: then no pixel changes the score. */
    readonly is_constant: boolean;
    /** The map, height × width, not scaled. */
    readonly map: Numbers;
    /** The map's largest value. */
    readonly maximum: number;
    /** The sum over the channels of the signed gradient, where it was asked for. */
    readonly signed?: Numbers | null;
}

/** A class model. */
export interface ClassModelInfo {
    /** The command line that makes this picture; where something was changed on the way, the one that began it. */
    readonly command: string;
    /** Its name. */
    readonly id: string;
    /** How many steps were taken. */
    readonly iteration: number;
    /** How many it will take. */
    readonly iterations: number;
    /** Why, where that is worth a sentence. */
    readonly message?: string | null;
    /** The model. */
    readonly model: string;
    /** What a reader of the result should know, in whole sentences. */
    readonly notes: readonly string[];
    /** What is maximised, in a few words. */
    readonly objective: string;
    /** The recipe as it is now. */
    readonly recipe: Readonly<Record<string, unknown>>;
    /** The random seed. */
    readonly seed: number;
    /** The steps that can be gone back to at once; to others it takes the steps again from the last of these. */
    readonly snapshots: readonly number[];
    /** How it stands. */
    readonly state: State;
    /** What was changed on the way. */
    readonly timeline: readonly Change[];
    /** What the objective reached before each step, in the view of that step. */
    readonly values: readonly number[];
}

/** How a class model begins. */
export interface ClassModelRequest {
    /** What is changed of the recipe. */
    readonly changes?: RecipeChanges;
    /** The model; the default one by default. */
    readonly model?: string | null;
    /** What is maximised. */
    readonly objective: ObjectiveRequest;
    /** How; "transfer" by default. */
    readonly recipe?: RecipeName | null;
    /** The random seed. */
    readonly seed?: number;
}

/** The score of a class, or something else about it. */
export interface ClassObjective {
    /** The class. */
    readonly class: number;
    /** Maximises the score minus that of this class. */
    readonly minus?: number | null;
}

/** A class with what the network thinks of it. */
export interface ClassScore {
    /** The class. */
    readonly index: number;
    /** Its name. */
    readonly name: string;
    /** The probability. */
    readonly probability: number;
    /** The unnormalised score. */
    readonly score: number;
    /** Its WordNet synset, where the names state one. */
    readonly synset?: string | null;
}

/** What a photograph shows. */
export interface Classified {
    /** The command line that does the same. */
    readonly command: string;
    /** How long it took, excluding queue time. */
    readonly seconds: number;
    /** The most probable classes, the best first. */
    readonly top: readonly ClassScore[];
}

/** Which photograph, and how it is looked at. */
export interface ClassifyRequest {
    /** The part that is looked at; the model's own by default. */
    readonly crop?: CropChoice | null;
    /** The model; the default one by default. */
    readonly model?: string | null;
    /** The photograph. */
    readonly photograph: string;
    /** How many classes are named. */
    readonly top?: number;
}

/** Which photograph, which classes, which methods. */
export interface CompareRequest {
    /** The classes: the columns. */
    readonly classes: readonly number[];
    /** The methods: the rows. */
    readonly methods: readonly NamedMethod[];
    /** The model; the default one by default. */
    readonly model?: string | null;
    /** The photograph. */
    readonly photograph: string;
}

/** Maps beside each other. */
export interface Comparison {
    /** A row for each method, in it a cell for each class. */
    readonly cells: readonly (readonly Cell[])[];
    /** The command lines that make the maps, one a line. */
    readonly command: string;
    /** The names of the methods. */
    readonly methods: readonly string[];
    /** What must be known about the methods' backward rules in this network, in whole sentences; mostly nothing. */
    readonly notes: readonly string[];
    /** How long it took, excluding queue time. */
    readonly seconds: number;
    /** The most probable classes, by the model's own crop. */
    readonly top: readonly ClassScore[];
}

/** A class that is taken for another. */
export interface ConfusionInfo {
    /** Its name. */
    readonly class: string;
    /** What the photographs show. */
    readonly class_index: number;
    /** How many photographs are. */
    readonly count: number;
    /** Its name. */
    readonly named: string;
    /** What the network names instead. */
    readonly named_index: number;
    /** Of how many of the class. */
    readonly of: number;
}

/** What an evaluation found. */
export interface ConfusionsAnswer {
    /** Which classes are taken for which, the most common first: 200 at most. */
    readonly confusions: readonly ConfusionInfo[];
    /** The method of their maps. */
    readonly method?: string | null;
    /** How many photographs were classified. */
    readonly photographs: number;
    /** How long it took, excluding queue time. */
    readonly seconds: number;
    /**
     * The photographs of the confusion that is looked at, those first for which the network finds the most other classes more probable: six
     * at most.
     */
    readonly worst: readonly MistakenPhotograph[];
    /** How many of them are taken for another class. */
    readonly wrong: number;
}

/** Of which model, and which confusion is looked at. */
export interface ConfusionsRequest {
    /** The position of the confusion whose photographs are drawn; none by default. */
    readonly confusion?: number | null;
    /** The model; the default one by default. */
    readonly model?: string | null;
}

/** A map that knows nothing of the network. */
export interface ControlCard {
    /** What deletion and insertion by it tell. */
    readonly faithfulness: MapFaithfulness;
    /** One number for each pixel. */
    readonly map: Numbers;
    /** What it is: random, centre or edges. */
    readonly name: string;
}

/** A part of a photograph, or the mean over Caffe's ten. */
export type CropChoice = "centre" | "whole" | "top-left" | "top-right" | "bottom-left" | "bottom-right" | "mirrored-centre" | "mirrored-top-left" | "mirrored-top-right" | "mirrored-bottom-left" | "mirrored-bottom-right" | "ten";

/** A photograph, and what of it speaks for the class that is named. */
export interface DrawnMistake {
    /** The same under what speaks for the class that is named and against the one that is shown. */
    readonly margin: string;
    /** A JPEG file as a data URL. */
    readonly picture: string;
}

/** The body of every answer that is no success. */
export interface ErrorBody {
    /** What went wrong. */
    readonly error: ErrorText;
}

/** What went wrong. */
export interface ErrorText {
    /** A word for programs. */
    readonly code: string;
    /** One sentence for a person. */
    readonly message: string;
}

/** A photograph that is there for everybody. */
export interface ExampleInfo {
    /** Whose it is. */
    readonly credit: string;
    /** Its name, which is also a photograph's. */
    readonly id: string;
    /** What it shows. */
    readonly name: string;
}

/** A photograph that excites a unit. */
export interface ExemplarInfo {
    /** The unit's largest activation in it. */
    readonly activation: number;
    /** The name of its file. */
    readonly photograph: string;
    /** Row and column of the activation in the channel's map. */
    readonly position: readonly [number, number];
    /** What it depends on; null where the photograph cannot be read any more. */
    readonly seen?: SeenInfo | null;
}

/** What the photographs of a data set say of a unit. */
export interface ExemplarsAnswer {
    /** In how many of them the unit's largest activation is above zero. */
    readonly active: number;
    /** The photographs with the largest activations, largest first. */
    readonly exemplars: readonly ExemplarInfo[];
    /**
     * How many photographs have a largest activation of at least 2ᵏ and below 2ᵏ⁺¹: k, and their number. Those that are not above zero are
     * left out.
     */
    readonly histogram: readonly PowerOfTwo[];
    /** The mean of its largest activations. */
    readonly mean: number;
    /** How many photographs were looked at. */
    readonly photographs: number;
    /** How long it took, excluding queue time. */
    readonly seconds: number;
}

/** Which unit. */
export interface ExemplarsRequest {
    /** Its channel. */
    readonly channel: number;
    /** The method, of those that look at the picture, whose map of the unit is drawn; the gradient by default. */
    readonly method?: string | null;
    /** The model; the default one by default. */
    readonly model?: string | null;
    /** The method's parameters, as for `/attributions`. */
    readonly parameters?: Readonly<Record<string, string>>;
    /** A value among the model's `exemplar_layers`. */
    readonly value: string;
}

/** Filters. */
export interface Filters {
    /** Filters × channels × height × width, red first. */
    readonly filters: Numbers;
}

/** An object. */
export interface FoundObject {
    /** Left, top, right, bottom, in pixels of the photograph. */
    readonly box: readonly [number, number, number, number];
    /** Its class. */
    readonly index: number;
    /** Whether its map is the same everywhere: then no pixel changes the score, and the box is the whole photograph. */
    readonly is_constant: boolean;
    /** The class's name. */
    readonly name: string;
    /** Whether the method chooses nothing of its map, so that the box is the whole photograph. */
    readonly nothing_chosen: boolean;
    /** Its unnormalised score. */
    readonly score: number;
}

/** An event `frame`: a picture on the way. */
export interface FrameEvent {
    /** The picture, a JPEG file as a data URL. */
    readonly image: string;
    /** How many steps were taken. */
    readonly iteration: number;
    /** How many will be. */
    readonly iterations: number;
    /** The probability of the class, where the objective is about one. */
    readonly probability?: number | null;
    /** What the objective reached in the last view. */
    readonly value?: number | null;
}

/** A network in static single assignment form, in topological order. */
export interface GraphAnswer {
    /** What is computed. */
    readonly nodes: readonly NodeInfo[];
    /** What is computed from and to, without weights. */
    readonly values: readonly ValueInfo[];
}

/** What a network reads. */
export interface InputInfo {
    /** 3, or 1 for grey. */
    readonly channels: number;
    /** Rows. */
    readonly height: number;
    /** Columns. */
    readonly width: number;
}

/** How far a job is. */
export interface JobInfo {
    /** How many steps it has taken, such as passes through the network. */
    readonly done: number;
    /** How many it is expected to take; 0 where that is not known. */
    readonly of: number;
    /** How it stands. */
    readonly state: JobState;
}

/** How a job stands. */
export type JobState = "waiting" | "running" | "unknown";

/** The maps of one value. */
export interface LayerAnswer {
    /** The activations, channels × height × width. */
    readonly activations: Numbers;
    /** How many channels it has. */
    readonly channels: number;
    /** The class. */
    readonly class: ClassScore;
    /** The command line that shows this and all other layers. */
    readonly command: string;
    /** The gradients of the class score with respect to them. */
    readonly gradients: Numbers;
    /** A sentence about the reduction, where there is one. */
    readonly note?: string | null;
    /** What must be known about the backward rule in this network, in whole sentences; mostly nothing. */
    readonly notes: readonly string[];
    /** How many of its pixels, across and down, are averaged into one here. */
    readonly reduced_by: number;
    /** Where the maps lie in the photograph: left, top, right, bottom, in its pixels. */
    readonly region: readonly [number, number, number, number];
    /** How long it took, excluding queue time. */
    readonly seconds: number;
    /** Its shape in the network, without the batch axis. */
    readonly shape: readonly number[];
    /** The most probable classes. */
    readonly top: readonly ClassScore[];
    /** The value. */
    readonly value: string;
}

/** Which photograph, which value, and how. */
export interface LayersRequest {
    /** The class whose score is differentiated; the most probable one by default. */
    readonly class?: number | null;
    /** The model; the default one by default. */
    readonly model?: string | null;
    /** The photograph. */
    readonly photograph: string;
    /** What rectifiers do on the way back. */
    readonly rule?: RuleChoice;
    /** The value, as /models/{model}/graph lists them. */
    readonly value: string;
}

/** Which photograph, which classes, and how. */
export interface LocaliseRequest {
    /** Graph cut: pixels below this quantile are background. */
    readonly background_quantile?: number | null;
    /** The classes, the one of the mask first; the most probable ones by default. */
    readonly classes?: readonly number[] | null;
    /** Graph cut: pixels above this quantile of the map are foreground. */
    readonly foreground_quantile?: number | null;
    /** The method. */
    readonly method?: MethodName;
    /** The model; the default one by default. */
    readonly model?: string | null;
    /** The photograph. */
    readonly photograph: string;
    /** Graph cut: how often the colour models are learnt again from the labels. */
    readonly refinements?: number | null;
    /** How many of the most probable classes get a box, where no class is named. */
    readonly top?: number;
}

/** Where objects are. */
export interface Localised {
    /** The command lines that do the same, one a line; photographs of more than 1024 pixels a side are reduced here and differ in detail. */
    readonly command: string;
    /** The first class's saliency map, of the same size. */
    readonly map: Numbers;
    /** What was known before the cut: 0 unknown, 1 background, 2 object. Only graph cuts have it. */
    readonly markers?: Numbers | null;
    /** The first object's pixels (1), height × width of the preview. */
    readonly mask: Numbers;
    /** One for each class. */
    readonly objects: readonly FoundObject[];
    /**
     * What the crops of the maps together say, where no class was named and they would have chosen another than the model's own crop, whose
     * choice is localised.
     */
    readonly other_choice?: ClassScore | null;
    /** How long it took, excluding queue time. */
    readonly seconds: number;
}

/** The target while pixels are deleted and inserted by a map, those that matter most first. */
export interface MapFaithfulness {
    /** The mean while pixels are deleted; less is better. */
    readonly deletion: number;
    /** The number while more and more pixels are deleted. */
    readonly deletion_curve: readonly number[];
    /** Insertion minus deletion; more is better. */
    readonly difference: number;
    /** The mean while pixels are inserted; more is better. */
    readonly insertion: number;
    /** The number while more and more pixels are inserted. */
    readonly insertion_curve: readonly number[];
}

/** A method. */
export interface MethodDescription {
    /** What else it is called. */
    readonly aliases: readonly string[];
    /** Whether it looks at layers that can be chosen. */
    readonly layers: boolean;
    /** Its name in requests and on the command line. */
    readonly name: string;
    /** What can be chosen. */
    readonly parameters: readonly MethodParameter[];
    /** Where it was published. */
    readonly source: string;
    /** What it computes. */
    readonly summary: string;
    /** What it is called in a sentence. */
    readonly title: string;
}

/** A named method, as the command line has them. */
export type MethodName = "default" | "paper" | "paper-literal" | "energy" | "mean" | "value" | "guided-energy" | "layer-cam" | "grad-cam" | "grad-cam-mean";

/** A parameter of a method. */
export interface MethodParameter {
    /** What it is unless it is given; none where the method chooses. */
    readonly default?: string | null;
    /** What it means. */
    readonly help: string;
    /** What it may be: number, whole, choice, flag, array, baseline, classes, numbers or arrays. */
    readonly kind: string;
    /** The smallest number that it may be. */
    readonly least?: number | null;
    /** The largest; none where it has no end. */
    readonly most?: number | null;
    /** Its name. */
    readonly name: string;
    /** What it is counted in; empty for what has no unit. */
    readonly unit: string;
    /** The words that it may be. */
    readonly words: readonly string[];
}

/** A photograph that is taken for another class. */
export interface MistakenPhotograph {
    /** Photograph and map; null where it cannot be read any more. */
    readonly drawn?: DrawnMistake | null;
    /** The name of its file. */
    readonly photograph: string;
    /** How many classes are more probable than the one that is shown. */
    readonly rank: number;
}

/** A model in a form. */
export interface ModelForm {
    /** The file. */
    readonly model: Blob;
}

/** A model. What is only known once it is open is null before; every request that uses a model opens it. */
export interface ModelInfo {
    /** How many classes it knows. */
    readonly classes?: number | null;
    /** The values of whose units exemplars are known. */
    readonly exemplar_layers: readonly string[];
    /** What `-m` takes for it on the command line; null for the built-in one. */
    readonly flag?: string | null;
    /** Whether it is known which classes it takes for which. */
    readonly has_confusions: boolean;
    /** What requests call it. */
    readonly id: string;
    /** What it reads. */
    readonly input?: InputInfo | null;
    /** Whether it is used where a request names none. */
    readonly is_default: boolean;
    /** Whether it is open. */
    readonly is_open: boolean;
    /** What it is called. */
    readonly name: string;
    /** What was assumed about it, and what is suspicious, in whole sentences. */
    readonly notes: readonly string[];
    /** Why it cannot be opened, where that was tried. */
    readonly problem?: string | null;
    /** The value that holds the unnormalised class scores. */
    readonly score_value?: string | null;
}

/** A way to make maps, and what it is called. */
export interface NamedMethod {
    /** The part of the photograph, or "ten" for the mean over Caffe's ten crops; the model's own crop by default. */
    readonly crops?: CropChoice | null;
    /** What it is called in the answer. */
    readonly name: string;
    /**
     * The readable map instead: guided backpropagation times LayerCAM of the last layer, from noisy copies of the whole photograph
     * (`docs/methods/saliency.md`). It settles how it is made, so no other option goes with it.
     */
    readonly readable?: boolean;
    /** What rectifiers do on the way back. */
    readonly rule?: RuleChoice;
    /** The seed of the noise. */
    readonly seed?: number;
    /** Averages the gradients of noisy copies. */
    readonly smooth_grad?: SmoothGrad | null;
    /** The deviation of a Gaussian that smooths the map, as a share of the photograph's longer side. */
    readonly smoothing?: number;
}

/** One application of an operator. */
export interface NodeInfo {
    /** The values it reads, without weights. */
    readonly inputs: readonly string[];
    /** The layer's name. */
    readonly name: string;
    /** The operator with its attributes. */
    readonly operator: string;
    /** The values it computes. */
    readonly outputs: readonly string[];
}

/** An array of 32-bit floats in C order. They may be NaN or infinite where the network's own numbers are. */
export interface Numbers {
    /** The numbers, little-endian, in base64. */
    readonly data: string;
    /** The extents, the slowest first. */
    readonly shape: readonly number[];
    /** "float32", or "uint8". */
    readonly type: string;
}

/** What is maximised: a class, or something of a layer. */
export type ObjectiveRequest = ClassObjective | ValueObjective;

/** A photograph in a form. */
export interface PhotographForm {
    /** The file. */
    readonly photograph: Blob;
}

/** A photograph that is in memory. */
export interface PhotographInfo {
    /** Its height in pixels. */
    readonly height: number;
    /** Its name, made from the content of its file. */
    readonly id: string;
    /** Its width in pixels, turned as its file says. */
    readonly width: number;
}

/** Left, top, right, bottom, in pixels of a photograph. */
export type Place = readonly [number, number, number, number];

/** A bar of a histogram. */
export interface PowerOfTwo {
    /** k of at least 2ᵏ and below 2ᵏ⁺¹. */
    readonly exponent: number;
    /** How many photographs. */
    readonly photographs: number;
}

/** Numbers of a recipe, see `docs/methods/class-model.md`. What is left out stays as it is. */
export interface RecipeChanges {
    /** The share that the past has in an average over the steps, which is then shown. */
    readonly average?: number | null;
    /** The deviation of a Gaussian that blurs the picture now and then. */
    readonly blur?: number | null;
    /** After how many steps it is blurred. */
    readonly blur_every?: number | null;
    /** What a spectrum's differences between colours are multiplied by; settled when an ascent begins. */
    readonly chroma?: number | null;
    /** The share of pixels that contribute least that is set to zero. */
    readonly clip_contribution?: number | null;
    /** The share of pixels of the smallest norm that is set to zero. */
    readonly clip_norm?: number | null;
    /** How much the other classes' soft maximum counts against the class. */
    readonly contrast?: number | null;
    /** The temperature of that soft maximum. */
    readonly contrast_temperature?: number | null;
    /** The share of the picture that fades at every step. */
    readonly decay?: number | null;
    /** The share of the learning rate that the last step has. */
    readonly final_learning_rate?: number | null;
    /** How many steps are taken. */
    readonly iterations?: number | null;
    /** By how many pixels the picture is moved at random, at most. */
    readonly jitter?: number | null;
    /** The λ of the penalty λ‖I‖². */
    readonly l2?: number | null;
    /** The learning rate. */
    readonly learning_rate?: number | null;
    /** By how many pixels the canvas is larger than the network's input on every side; settled when an ascent begins. */
    readonly margin?: number | null;
    /** Whether it is mirrored before every other step or so. */
    readonly mirror?: boolean | null;
    /** The deviation of noise that is added to what the network sees, in grey levels. */
    readonly noise?: number | null;
    /** By what factor each is larger than the one before; settled when an ascent begins. */
    readonly octave_ratio?: number | null;
    /** At how many sizes the picture is worked out; settled when an ascent begins. */
    readonly octaves?: number | null;
    /** By how many degrees it is turned at random, at most. */
    readonly rotation?: number | null;
    /** The exponent with which a spectrum's frequencies are damped; settled when an ascent begins. */
    readonly spectrum_decay?: number | null;
    /** The deviation of a normal start; settled when an ascent begins. */
    readonly start_deviation?: number | null;
    /** The weight of the total variation. */
    readonly total_variation?: number | null;
    /** Its exponent. */
    readonly total_variation_exponent?: number | null;
    /** Between which factors it is enlarged at random. */
    readonly zoom?: readonly [number, number] | null;
}

/** The name of a recipe that is built in. */
export type RecipeName = "paper" | "original" | "yosinski" | "lucid" | "transfer";

/** A report. */
export interface ReportAnswer {
    /** The rank correlation of each map with each other, in the order of the cards. */
    readonly agreement: readonly (readonly number[])[];
    /** A card for each method, in the order in which they were asked for. */
    readonly cards: readonly ReportCard[];
    /** The command line that does the same. */
    readonly command: string;
    /** Maps that know nothing of the network. */
    readonly controls: readonly ControlCard[];
    /** What deletion and insertion measure: the target or its probability. */
    readonly measured: string;
    /** What holds for all, in whole sentences. */
    readonly notes: readonly string[];
    /** Its number. */
    readonly number: number;
    /** Where the maps lie in the photograph: left, top, right, bottom, in its pixels. */
    readonly region: readonly [number, number, number, number];
    /** How long it took, excluding queue time. */
    readonly seconds: number;
    /** The target in the grammar that requests take. */
    readonly target: string;
    /** The target in words. */
    readonly title: string;
}

/** What is known about one method's map. */
export interface ReportCard {
    /** What the attributions add up to, and what they should. */
    readonly completeness?: readonly [number, number] | null;
    /** What deletion and insertion by the map tell. */
    readonly faithfulness: MapFaithfulness;
    /** How many pictures went forward for it. */
    readonly forward_passes: number;
    /** One number for each pixel that the network read; not scaled. */
    readonly map: Numbers;
    /** The method. */
    readonly method: string;
    /** What must be known about the map, in whole sentences. */
    readonly notes: readonly string[];
    /** The rank correlation with the map of the network with random weights, from the fewest to all of them. */
    readonly randomised?: readonly number[] | null;
    /** How long the map took. */
    readonly seconds: number;
    /** The largest change under small perturbations of the input, as a share of the attribution's length. */
    readonly sensitivity?: number | null;
    /** The Gini index of the map's magnitudes. */
    readonly sparseness: number;
    /** Its name in a sentence. */
    readonly title: string;
    /** Whether the map deserves belief, in a sentence. */
    readonly verdict: string;
}

/** Which photograph, and which methods are compared. */
export interface ReportRequest {
    /** The part of the photograph; the model's own crop by default. */
    readonly crop?: string | null;
    /** At how many depths of the network weights are randomised; 0 leaves that out. */
    readonly depths?: number;
    /** The methods, each NAME or NAME:PARAMETER=VALUE,PARAMETER=VALUE; those of the command line where there are none. */
    readonly methods?: readonly string[];
    /** The model; the default one by default. */
    readonly model?: string | null;
    /** Whether the unnormalised score is measured and not the probability of the class. */
    readonly of_score?: boolean;
    /** The photograph. */
    readonly photograph: string;
    /** In how many steps pixels are deleted and inserted. */
    readonly steps?: number;
    /** What is explained, as on the command line; the most probable class by default. */
    readonly target?: string | null;
}

/** Where to go back to. */
export interface RewindRequest {
    /** To how it stood after that many steps. */
    readonly iteration: number;
}

/** What rectifiers do on the way back. */
export type RuleChoice = "gradient" | "deconvnet" | "guided" | "smooth";

/** Class saliency maps. */
export interface SaliencyAnswer {
    /**
     * The command lines that do the same, one a line. For photographs of more than 1024 pixels a side, maps that are averaged over crops,
     * noise or smoothing are made of the reduced photograph here and differ in detail.
     */
    readonly command: string;
    /** One map for each class. */
    readonly maps: readonly ClassMap[];
    /** What must be known about the backward rule in this network, in whole sentences; mostly nothing. */
    readonly notes: readonly string[];
    /**
     * What the parts that were looked at say together, where no class was named and they would have chosen another than the model's own
     * crop, whose choice is explained.
     */
    readonly other_choice?: ClassScore | null;
    /** Where the maps lie in the photograph: left, top, right, bottom, in its pixels. */
    readonly region: readonly [number, number, number, number];
    /** How long it took, excluding queue time. */
    readonly seconds: number;
    /** The parts of the photograph that the network saw, in the same form. Elsewhere the maps are 0 and say nothing. */
    readonly seen: readonly Place[];
    /** The most probable classes, by the model's own crop. */
    readonly top: readonly ClassScore[];
    /** The share of the photograph that none of several crops shows; the maps are 0 there. */
    readonly unseen: number;
}

/** Which photograph, which classes, and how. */
export interface SaliencyRequest {
    /** The classes; the most probable one by default. */
    readonly classes?: readonly number[] | null;
    /** The part of the photograph, or "ten" for the mean over Caffe's ten crops; the model's own crop by default. */
    readonly crops?: CropChoice | null;
    /** Another class whose score is subtracted: what speaks for the one and against this. */
    readonly minus?: number | null;
    /** The model; the default one by default. */
    readonly model?: string | null;
    /** The photograph. */
    readonly photograph: string;
    /**
     * The readable map instead: guided backpropagation times LayerCAM of the last layer, from noisy copies of the whole photograph
     * (`docs/methods/saliency.md`). It settles how it is made, so no other option but `minus` and `classes` goes with it.
     */
    readonly readable?: boolean;
    /** What rectifiers do on the way back. */
    readonly rule?: RuleChoice;
    /** The seed of the noise. */
    readonly seed?: number;
    /** Whether the signed gradient is given, too. With one crop and without noise or smoothing only. */
    readonly signed?: boolean;
    /** Averages the gradients of noisy copies. */
    readonly smooth_grad?: SmoothGrad | null;
    /** The deviation of a Gaussian that smooths the map, as a share of the photograph's longer side. */
    readonly smoothing?: number;
}

/** What an activation depends on. */
export interface SeenInfo {
    /** Left, top, right and bottom in the network's input: outside, the gradient of the activation is zero. */
    readonly bounds: readonly [number, number, number, number];
    /** The method's map of the activation over it, likewise. */
    readonly map: string;
    /** What the network reads there: a square JPEG file as a data URL. */
    readonly picture: string;
}

/** SmoothGrad (Smilkov and others 2017): the mean gradient over noisy copies. */
export interface SmoothGrad {
    /** The deviation of the noise, as a share of the input's range. */
    readonly noise?: number;
    /** How many copies. */
    readonly samples: number;
}

/** How an ascent stands. */
export type State = "running" | "paused" | "finished" | "failed" | "cancelled";

/** An event `state`. */
export interface StateEvent {
    /** How many steps there will be. */
    readonly iterations: number;
    /** Why, where that is worth a sentence. */
    readonly message?: string | null;
    /** How it stands. */
    readonly state: State;
}

/** What one unit reacts to. */
export interface UnitAnswer {
    /** Its activation. */
    readonly activation: number;
    /** The command line that shows this layer. */
    readonly command: string;
    /** Its largest magnitude over the channels, height × width. */
    readonly map: Numbers;
    /** What must be known about the backward rule in this network, in whole sentences; mostly nothing. */
    readonly notes: readonly string[];
    /** The gradient of the unit with respect to the picture, height × width × 3, red first, in the network's own numbers. */
    readonly picture: Numbers;
    /** Its row and column. */
    readonly position: readonly [number, number];
    /** Where they lie in the photograph: left, top, right, bottom, in its pixels. */
    readonly region: readonly [number, number, number, number];
    /** How long it took, excluding queue time. */
    readonly seconds: number;
}

/** Which photograph, which unit, and how. */
export interface UnitRequest {
    /** Its channel. */
    readonly channel: number;
    /** The model; the default one by default. */
    readonly model?: string | null;
    /** The photograph. */
    readonly photograph: string;
    /** Row and column in the channel's map; the strongest by default. */
    readonly position?: readonly [number, number] | null;
    /** What rectifiers do on the way back. */
    readonly rule?: RuleChoice;
    /** The value, as /models/{model}/graph lists them. */
    readonly value: string;
}

/** A value. */
export interface ValueInfo {
    /** Whether /models/{model}/filters has filters for it. */
    readonly has_filters: boolean;
    /** Whether it is a layer worth showing: named in the file, and on the way from the picture to the score. */
    readonly is_shown: boolean;
    /** Its name. */
    readonly name: string;
    /** Its shape with the batch axis. */
    readonly shape: readonly number[];
}

/** Half the mean square of a layer, or the mean of one of its channels, or one of its elements. */
export interface ValueObjective {
    /** A channel. */
    readonly channel?: number | null;
    /** Row and column in the channel: one element. */
    readonly position?: readonly [number, number] | null;
    /** The value. */
    readonly value: string;
}

/** What is sent to each address in JSON, and what it answers in JSON. */
export interface Operations {
    readonly "post /arrays": { readonly body: undefined; readonly answer: ArrayInfo };
    readonly "post /attributions": { readonly body: AttributionRequest; readonly answer: AttributionAnswer };
    readonly "post /class-models": { readonly body: ClassModelRequest; readonly answer: ClassModelInfo };
    readonly "get /class-models/{id}": { readonly body: undefined; readonly answer: ClassModelInfo };
    readonly "patch /class-models/{id}": { readonly body: ChangeRequest; readonly answer: ClassModelInfo };
    readonly "delete /class-models/{id}": { readonly body: undefined; readonly answer: ClassModelInfo };
    readonly "post /class-models/{id}/pause": { readonly body: undefined; readonly answer: ClassModelInfo };
    readonly "post /class-models/{id}/resume": { readonly body: undefined; readonly answer: ClassModelInfo };
    readonly "post /class-models/{id}/rewind": { readonly body: RewindRequest; readonly answer: ClassModelInfo };
    readonly "post /classify": { readonly body: ClassifyRequest; readonly answer: Classified };
    readonly "post /compare": { readonly body: CompareRequest; readonly answer: Comparison };
    readonly "post /confusions": { readonly body: ConfusionsRequest; readonly answer: ConfusionsAnswer };
    readonly "get /examples": { readonly body: undefined; readonly answer: readonly ExampleInfo[] };
    readonly "post /exemplars": { readonly body: ExemplarsRequest; readonly answer: ExemplarsAnswer };
    readonly "get /jobs/{name}": { readonly body: undefined; readonly answer: JobInfo };
    readonly "post /layers": { readonly body: LayersRequest; readonly answer: LayerAnswer };
    readonly "post /localise": { readonly body: LocaliseRequest; readonly answer: Localised };
    readonly "get /methods": { readonly body: undefined; readonly answer: readonly MethodDescription[] };
    readonly "get /models": { readonly body: undefined; readonly answer: readonly ModelInfo[] };
    readonly "post /models": { readonly body: undefined; readonly answer: ModelInfo };
    readonly "get /models/{model}": { readonly body: undefined; readonly answer: ModelInfo };
    readonly "get /models/{model}/classes": { readonly body: undefined; readonly answer: readonly ClassInfo[] };
    readonly "get /models/{model}/filters": { readonly body: undefined; readonly answer: Filters };
    readonly "get /models/{model}/graph": { readonly body: undefined; readonly answer: GraphAnswer };
    readonly "get /models/{model}/recipes": { readonly body: undefined; readonly answer: readonly (Readonly<Record<string, unknown>>)[] };
    readonly "get /openapi.json": { readonly body: undefined; readonly answer: Readonly<Record<string, unknown>> };
    readonly "post /photographs": { readonly body: undefined; readonly answer: PhotographInfo };
    readonly "get /photographs/{id}": { readonly body: undefined; readonly answer: PhotographInfo };
    readonly "post /reports": { readonly body: ReportRequest; readonly answer: ReportAnswer };
    readonly "post /saliency": { readonly body: SaliencyRequest; readonly answer: SaliencyAnswer };
    readonly "post /unit": { readonly body: UnitRequest; readonly answer: UnitAnswer };
}
