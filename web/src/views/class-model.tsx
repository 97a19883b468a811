export function ClassModelView() { return <p>Later.</p>; }
