//! Maximum flow on a grid of pixels with eight neighbours (Boykov and Kolmogorov 2004, "An experimental comparison of min-cut/
//! max-flow algorithms for energy minimization in vision", section 3).
//!
//! Before any search, nodes whose terminal outweighs all their neighbours together are decided for good and become part of their
//! terminal; that spreads, and with clamped markers it leaves a part of the grid. Then what flows between a node and a terminal is swept
//! over the grid in all eight directions: most of it meets its opposite, and the rest gathers at few nodes, which halves the time of
//! what follows. In what is left two search trees grow from source and sink until they touch; flow is sent along the path found; the
//! nodes that it cuts off are adopted by another neighbour of their tree or set free. Distances to the terminal with time stamps (as in the authors' later work) keep the
//! trees shallow. A border of nodes without edges spares every test for the grid's end.

use std::collections::VecDeque;

/// East, west, south, north, south-east, north-west, south-west, north-east: a direction's opposite is its neighbour in pairs.
const STEPS: [[isize; 2]; 8] = [[0, 1], [0, -1], [1, 0], [-1, 0], [1, 1], [-1, -1], [1, -1], [-1, 1]];

/// What a node's parent is, besides a direction: the lower bits of its link.
const TERMINAL: u8 = 8;
const ORPHAN: u8 = 9;
/// In no tree.
const FREE: u8 = 10;
/// Part of a terminal.
const DECIDED: u8 = 11;
const PARENT: u8 = 15;

/// The tree: one bit of a link.
const SINK: u8 = 16;
/// Whether the node waits in the queue: another.
const ACTIVE: u8 = 32;

/// How far sums of a few capacities may be off, as a share of the largest; what is closer to a tie is left to the search.
const ROUNDING: f32 = 1e-5;

/// Farther than any node.
const NEVER: u32 = u32::MAX;

/// How long a node's path to its terminal is, and when that was last known.
#[derive(Debug, Clone, Copy, Default)]
struct Depth {
    stamp: u32,
    distance: u32,
}

/// A grid of nodes with capacities between neighbours and to both terminals.
pub struct Grid {
    height: usize,
    width: usize,
    /// The distances between the numbers of neighbouring nodes, in the order of [`STEPS`].
    offsets: [isize; 8],
    /// What can still flow to each neighbour. The arrays are apart because most looks are at links alone, of which whole rows
    /// lie in the nearest cache.
    capacities: Vec<[f32; 8]>,
    /// What can still flow from the source (positive) or to the sink (negative).
    terminals: Vec<f32>,
    links: Vec<u8>,
    depths: Vec<Depth>,
    active: VecDeque<u32>,
    orphans: VecDeque<u32>,
    time: u32,
}

impl Grid {
    /// A grid without any capacity.
    pub fn new(height: usize, width: usize) -> Self {
        let row = (width + 2) as isize;
        let nodes = (height + 2) * (width + 2);
        Self {
            height,
            width,
            offsets: STEPS.map(|[down, right]| down * row + right),
            capacities: vec![[0.0; 8]; nodes],
            terminals: vec![0.0; nodes],
            links: vec![FREE; nodes],
            depths: vec![Depth::default(); nodes],
            active: VecDeque::new(),
            orphans: VecDeque::new(),
            time: 0,
        }
    }

    /// The row and column of every node, row by row.
    pub fn places(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (height, width) = (self.height, self.width);
        (0..height).flat_map(move |row| (0..width).map(move |column| (row, column)))
    }

    fn node(&self, row: usize, column: usize) -> usize {
        (row + 1) * (self.width + 2) + column + 1
    }

    /// Sets the capacity between a node and a neighbour, both ways. `step` is one of (0, 1), (1, 0), (1, 1) and (1, −1), rows
    /// first; nothing happens where the neighbour lies outside.
    pub fn connect(&mut self, row: usize, column: usize, step: [isize; 2], capacity: f32) {
        let direction = match step {
            [0, 1] => 0,
            [1, 0] => 2,
            [1, 1] => 4,
            [1, -1] => 6,
            _ => return,
        };
        let [below, beside] = [row as isize + step[0], column as isize + step[1]];
        if below < 0 || below >= self.height as isize || beside < 0 || beside >= self.width as isize {
            return;
        }
        let node = self.node(row, column);
        let neighbour = self.towards(node, direction);
        self.capacities[node][direction] = capacity;
        self.capacities[neighbour][direction ^ 1] = capacity;
    }

    /// Sets what may flow from the source to a node, less what may flow from it to the sink: what both share flows anyway and
    /// changes no cut.
    pub fn connect_terminals(&mut self, row: usize, column: usize, source_less_sink: f32) {
        let node = self.node(row, column);
        self.terminals[node] = source_less_sink;
    }

    /// Whether a node is on the source's side of the cut, after [`Grid::run`]. Nodes that no tree reached are on the sink's.
    pub fn is_source(&self, row: usize, column: usize) -> bool {
        let link = self.links[self.node(row, column)];
        link & PARENT != FREE && link & SINK == 0
    }

    #[inline(always)]
    fn towards(&self, node: usize, direction: usize) -> usize {
        node.wrapping_add_signed(self.offsets[direction & 7])
    }

    /// Sends as much as can flow, and returns how much that is. Capacities are used up.
    pub fn run(&mut self) -> f64 {
        let mut flow = self.decide() + self.sweep();
        for node in 0..self.links.len() {
            let terminal = self.terminals[node];
            if terminal != 0.0 && self.links[node] == FREE {
                self.links[node] = TERMINAL | if terminal > 0.0 { 0 } else { SINK };
                self.depths[node].distance = 1;
            }
        }
        for node in 0..self.links.len() {
            if self.links[node] & PARENT == TERMINAL && self.is_at_border(node) {
                self.activate(node);
            }
        }
        let mut current = None;
        loop {
            let current_or_next =
                current.take().filter(|&node: &u32| self.links[node as usize] & PARENT != FREE);
            let Some(node) = current_or_next.or_else(|| self.next()) else { return flow };
            let meeting = self.grow(node as usize);
            self.time += 1;
            if let Some((source, direction)) = meeting {
                current = Some(node);
                flow += f64::from(self.augment(source, direction));
                while let Some(orphan) = self.orphans.pop_front() {
                    self.adopt(orphan as usize);
                }
            }
        }
    }

    /// Whether a node of a tree has a neighbour of the other tree or of none; all others have nothing to grow into.
    fn is_at_border(&self, node: usize) -> bool {
        let tree = self.links[node] & SINK;
        let grows_into = |direction: usize| {
            let other = self.links[self.towards(node, direction)];
            other & PARENT == FREE || (other & PARENT != DECIDED && other & SINK != tree)
        };
        (0..8).any(grows_into)
    }

    /// Makes those nodes part of a terminal that no minimum cut parts from it, because its capacity is larger than all to their
    /// neighbours together. The neighbours are then connected with the terminal itself, so that this may go on with them.
    /// Returns what flows on the way.
    fn decide(&mut self) -> f64 {
        let mut flow = 0.0;
        let mut sums: Vec<f32> = self.capacities.iter().map(|own| own.iter().sum()).collect();
        for node in 0..self.links.len() {
            self.decide_one(node, sums[node]);
        }
        // Those that are decided from the start are contracted row by row, what follows from them in any order.
        let mut followers: Vec<u32> = Vec::new();
        for node in 0..self.links.len() {
            if self.links[node] & PARENT == DECIDED {
                flow += self.contract(node, &mut sums, &mut followers);
            }
        }
        while let Some(node) = followers.pop() {
            flow += self.contract(node as usize, &mut sums, &mut followers);
        }
        flow
    }

    /// Connects the neighbours of a decided node with its terminal in its place, notes which are thereby decided, and returns
    /// what then flows at once.
    fn contract(&mut self, node: usize, sums: &mut [f32], followers: &mut Vec<u32>) -> f64 {
        let mut flow = 0.0;
        let own = self.links[node];
        if (0..8).all(|direction| self.links[self.towards(node, direction)] == own) {
            return flow;
        }
        let is_sink = own & SINK != 0;
        let capacities = std::mem::take(&mut self.capacities[node]);
        for (direction, amount) in capacities.into_iter().enumerate() {
            let neighbour = self.towards(node, direction);
            let other = self.links[neighbour];
            if other == FREE {
                if amount <= 0.0 {
                    continue;
                }
                self.capacities[neighbour][direction ^ 1] = 0.0;
                sums[neighbour] -= amount;
                let before = self.terminals[neighbour];
                if is_sink == (before > 0.0) {
                    flow += f64::from(amount.min(before.abs()));
                }
                self.terminals[neighbour] = before + if is_sink { -amount } else { amount };
                if self.decide_one(neighbour, sums[neighbour]) {
                    followers.push(neighbour as u32);
                }
            } else if !is_sink && other & SINK != 0 {
                // From terminal to terminal; counted on the source's side only.
                flow += f64::from(amount);
            }
        }
        flow
    }

    /// Makes a node part of its terminal, if that outweighs `others`, which is what its neighbours may carry.
    fn decide_one(&mut self, node: usize, others: f32) -> bool {
        let terminal = self.terminals[node];
        let is_decided = terminal.abs() * (1.0 - ROUNDING) > others;
        if is_decided {
            self.links[node] = if terminal > 0.0 { DECIDED } else { DECIDED | SINK };
        }
        is_decided
    }

    /// Moves what flows from the source to a node, or from a node to the sink, to the next node as far as the edge between them
    /// carries it: eastwards along all rows, southwards, along both diagonals, and then the other ways. Returns what flows from
    /// terminal to terminal by that.
    ///
    /// Flow from the source that passes through a node may as well enter at the next one: all cuts change by the same amount.
    fn sweep(&mut self) -> f64 {
        let before = self.source_flow();
        for direction in [0, 2, 4, 6] {
            (0..self.links.len()).for_each(|node| self.pass_on(node, direction));
        }
        for direction in [1, 3, 5, 7] {
            (0..self.links.len()).rev().for_each(|node| self.pass_on(node, direction));
        }
        before - self.source_flow()
    }

    /// What can still flow from the source to nodes that are not decided.
    fn source_flow(&self) -> f64 {
        let open = self.terminals.iter().zip(&self.links).filter(|(_, link)| **link == FREE);
        open.map(|(&terminal, _)| f64::from(terminal.max(0.0))).sum()
    }

    #[inline(always)]
    fn pass_on(&mut self, node: usize, direction: usize) {
        let own = self.terminals[node];
        if own == 0.0 || self.links[node] != FREE {
            return;
        }
        let neighbour = self.towards(node, direction);
        let (onward, back) = (self.capacities[node][direction], self.capacities[neighbour][direction ^ 1]);
        // What flows to the sink passes on the other way round.
        let amount = own.min(onward).max(-back);
        self.send(node, direction, amount);
        self.terminals[node] = own - amount;
        self.terminals[neighbour] += amount;
    }

    fn activate(&mut self, node: usize) {
        let link = &mut self.links[node];
        if *link & ACTIVE == 0 {
            *link |= ACTIVE;
            self.active.push_back(node as u32);
        }
    }

    fn next(&mut self) -> Option<u32> {
        while let Some(node) = self.active.pop_front() {
            let link = &mut self.links[node as usize];
            *link &= !ACTIVE;
            if *link & PARENT != FREE {
                return Some(node);
            }
        }
        None
    }

    /// What can still flow from a node to its neighbour in the direction away from its tree's terminal.
    #[inline(always)]
    fn outward(&self, tree: u8, node: usize, neighbour: usize, direction: usize) -> f32 {
        if tree == SINK {
            self.capacities[neighbour][(direction ^ 1) & 7]
        } else {
            self.capacities[node][direction & 7]
        }
    }

    /// Takes free neighbours into the tree; where the other tree is met, returns the edge from the source's to the sink's.
    fn grow(&mut self, node: usize) -> Option<(usize, usize)> {
        let tree = self.links[node] & SINK;
        let own = self.depths[node];
        for direction in 0..8 {
            let neighbour = self.towards(node, direction);
            let other = self.links[neighbour];
            let is_free = other & PARENT == FREE;
            if !is_free && other & SINK == tree {
                let depth = self.depths[neighbour];
                if depth.stamp <= own.stamp
                    && depth.distance > own.distance
                    && self.outward(tree, node, neighbour, direction) > 0.0
                {
                    // A shorter way to the terminal.
                    self.links[neighbour] = other & !PARENT | (direction ^ 1) as u8;
                    self.depths[neighbour] = Depth { stamp: own.stamp, distance: own.distance + 1 };
                }
                continue;
            }
            if self.outward(tree, node, neighbour, direction) <= 0.0 {
                continue;
            }
            if is_free {
                self.links[neighbour] = other & ACTIVE | tree | (direction ^ 1) as u8;
                self.depths[neighbour] = Depth { stamp: own.stamp, distance: own.distance + 1 };
                self.activate(neighbour);
            } else {
                return Some(if tree == SINK { (neighbour, direction ^ 1) } else { (node, direction) });
            }
        }
        None
    }

    /// Sends what the path through an edge can carry.
    fn augment(&mut self, source: usize, direction: usize) -> f32 {
        let sink = self.towards(source, direction);
        let mut amount = self.capacities[source][direction & 7];
        for (start, tree) in [(source, 0), (sink, SINK)] {
            let mut node = start;
            loop {
                let up = usize::from(self.links[node] & PARENT);
                if up >= 8 {
                    break;
                }
                let parent = self.towards(node, up);
                amount = amount.min(self.outward(tree, parent, node, up ^ 1));
                node = parent;
            }
            amount = amount.min(self.terminals[node].abs());
        }
        self.send(source, direction, amount);
        for (start, tree) in [(source, 0), (sink, SINK)] {
            let mut node = start;
            loop {
                let up = usize::from(self.links[node] & PARENT);
                if up >= 8 {
                    break;
                }
                let parent = self.towards(node, up);
                if tree == SINK {
                    self.send(node, up, amount)
                } else {
                    self.send(parent, up ^ 1, amount)
                }
                if self.outward(tree, parent, node, up ^ 1) <= 0.0 {
                    self.orphan(node);
                }
                node = parent;
            }
            self.terminals[node] -= if tree == SINK { -amount } else { amount };
            if self.terminals[node] == 0.0 {
                self.orphan(node);
            }
        }
        amount
    }

    #[inline(always)]
    fn send(&mut self, node: usize, direction: usize, amount: f32) {
        let neighbour = self.towards(node, direction);
        self.capacities[node][direction & 7] -= amount;
        self.capacities[neighbour][(direction ^ 1) & 7] += amount;
    }

    fn orphan(&mut self, node: usize) {
        self.links[node] = self.links[node] & !PARENT | ORPHAN;
        self.orphans.push_back(node as u32);
    }

    /// Finds another parent in the same tree, the nearest to the terminal, or sets the node and what is below it free.
    fn adopt(&mut self, node: usize) {
        let tree = self.links[node] & SINK;
        let (mut nearest, mut chosen) = (NEVER, None);
        for direction in 0..8 {
            let neighbour = self.towards(node, direction);
            let other = self.links[neighbour];
            if other & SINK != tree
                || other & PARENT >= ORPHAN
                || self.outward(tree, neighbour, node, direction ^ 1) <= 0.0
            {
                continue;
            }
            let distance = self.distance(neighbour);
            if distance < nearest {
                (nearest, chosen) = (distance, Some(direction));
            }
        }
        if let Some(direction) = chosen {
            self.links[node] = self.links[node] & !PARENT | direction as u8;
            self.depths[node] = Depth { stamp: self.time, distance: nearest + 1 };
            return;
        }
        self.links[node] = self.links[node] & !PARENT | FREE;
        for direction in 0..8 {
            let neighbour = self.towards(node, direction);
            let other = self.links[neighbour];
            if other & SINK != tree || matches!(other & PARENT, FREE | DECIDED) {
                continue;
            }
            if self.outward(tree, neighbour, node, direction ^ 1) > 0.0 {
                self.activate(neighbour);
            }
            if usize::from(other & PARENT) == direction ^ 1 {
                self.orphan(neighbour);
            }
        }
    }

    /// The steps from a node to its terminal, or [`NEVER`] where its path ends at an orphan. What is found is remembered.
    fn distance(&mut self, start: usize) -> u32 {
        let (mut node, mut steps) = (start, 0);
        loop {
            let depth = self.depths[node];
            if depth.stamp == self.time {
                steps += depth.distance;
                break;
            }
            match self.links[node] & PARENT {
                TERMINAL => {
                    steps += 1;
                    self.depths[node] = Depth { stamp: self.time, distance: 1 };
                    break;
                }
                ORPHAN.. => return NEVER,
                up => node = self.towards(node, usize::from(up)),
            }
            steps += 1;
        }
        let (mut node, mut left) = (start, steps);
        while self.depths[node].stamp != self.time {
            self.depths[node] = Depth { stamp: self.time, distance: left };
            left -= 1;
            node = self.towards(node, usize::from(self.links[node] & PARENT));
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Edmonds and Karp's algorithm on a matrix of capacities: slow, and short enough to be seen right.
    fn by_definition(mut capacity: Vec<Vec<i64>>, source: usize, sink: usize) -> i64 {
        let mut flow = 0;
        loop {
            let mut before = vec![usize::MAX; capacity.len()];
            let mut queue = VecDeque::from([source]);
            before[source] = source;
            while let Some(node) = queue.pop_front() {
                for next in 0..capacity.len() {
                    if before[next] == usize::MAX && capacity[node][next] > 0 {
                        before[next] = node;
                        queue.push_back(next);
                    }
                }
            }
            if before[sink] == usize::MAX {
                return flow;
            }
            let path = || {
                std::iter::successors(Some(sink), |&node| Some(before[node]))
                    .take_while(|&node| node != source)
            };
            let amount = path().map(|node| capacity[before[node]][node]).min().unwrap_or(0);
            for node in path().collect::<Vec<_>>() {
                capacity[before[node]][node] -= amount;
                capacity[node][before[node]] += amount;
            }
            flow += amount;
        }
    }

    /// Whole capacities, so that every order of sums gives the same.
    #[test]
    fn flow_and_cut_are_those_of_the_definition() {
        let mut state = 1u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 33) % below) as i64
        };
        for (height, width) in [(1, 1), (1, 6), (5, 1), (2, 2), (6, 7), (7, 5), (8, 8)] {
            for most in [2, 5, 30] {
                let nodes = height * width;
                let mut grid = Grid::new(height, width);
                let mut capacity = vec![vec![0; nodes + 2]; nodes + 2];
                let mut shared = 0;
                for row in 0..height {
                    for column in 0..width {
                        let node = row * width + column;
                        for step in [[0, 1], [1, 0], [1, 1], [1, -1]] {
                            let (below, beside) = (row as isize + step[0], column as isize + step[1]);
                            let amount = random(most);
                            grid.connect(row, column, step, amount as f32);
                            if below < height as isize && beside >= 0 && beside < width as isize {
                                let neighbour = below as usize * width + beside as usize;
                                capacity[node][neighbour] = amount;
                                capacity[neighbour][node] = amount;
                            }
                        }
                        let (from, to) = (random(3 * most), random(3 * most));
                        grid.connect_terminals(row, column, (from - to) as f32);
                        capacity[nodes][node] = from;
                        capacity[node][nodes + 1] = to;
                        shared += from.min(to);
                    }
                }
                let flow = grid.run() as i64 + shared;
                assert_eq!(flow, by_definition(capacity.clone(), nodes, nodes + 1));
                // The capacity from the source's side to the sink's is the flow.
                let side = |node: usize| {
                    node == nodes || (node < nodes && grid.is_source(node / width, node % width))
                };
                let cut: i64 = (0..nodes + 2)
                    .flat_map(|a| (0..nodes + 2).map(move |b| (a, b)))
                    .filter(|&(a, b)| side(a) && !side(b))
                    .map(|(a, b)| capacity[a][b])
                    .sum();
                assert_eq!(cut, flow);
            }
        }
    }
}
