export function LayersView() { return <p>Later.</p>; }
