export function CompareView() { return <p>Later.</p>; }
