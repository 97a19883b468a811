export function LocaliseView() { return <p>Later.</p>; }
