//! Maximum flow on a grid of pixels with eight neighbours (Boykov and Kolmogorov 2004, "An experimental comparison of min-cut/
//! max-flow algorithms for energy minimization in vision", section 3).
//!
//! Two search trees grow from source and sink until they touch; flow is sent along the path found; the nodes that it cuts
//! off are adopted by another neighbour of their tree or set free. Distances to the terminal with time stamps (as in the
//! authors' later work) keep the trees shallow. A border of nodes without edges spares every test for the grid's end.

use std::collections::VecDeque;

/// East, west, south, north, south-east, north-west, south-west, north-east: a direction's opposite is its neighbour in pairs.
const STEPS: [[isize; 2]; 8] = [[0, 1], [0, -1], [1, 0], [-1, 0], [1, 1], [-1, -1], [1, -1], [-1, 1]];

/// What a node's parent is, besides a direction.
const TERMINAL: u8 = 8;
const ORPHAN: u8 = 9;
const FREE: u8 = 10;

/// Farther than any node.
const NEVER: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tree {
    Source,
    Sink,
}

/// Everything about a node, on one line of the cache.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// What can still flow to each neighbour.
    capacities: [f32; 8],
    /// What can still flow from the source (positive) or to the sink (negative).
    terminal: f32,
    /// When the distance was last known to be right.
    stamp: u32,
    /// Steps to the terminal.
    distance: u32,
    parent: u8,
    tree: Tree,
    is_active: bool,
}

/// A grid of nodes with capacities between neighbours and to both terminals.
pub struct Grid {
    height: usize,
    width: usize,
    /// The distances between the numbers of neighbouring nodes, in the order of [`STEPS`].
    offsets: [isize; 8],
    nodes: Vec<Node>,
    active: VecDeque<u32>,
    orphans: VecDeque<u32>,
    time: u32,
}

impl Grid {
    /// A grid without any capacity.
    pub fn new(height: usize, width: usize) -> Self {
        let row = (width + 2) as isize;
        let node = Node {
            capacities: [0.0; 8],
            terminal: 0.0,
            stamp: 0,
            distance: 0,
            parent: FREE,
            tree: Tree::Source,
            is_active: false,
        };
        Self {
            height,
            width,
            offsets: STEPS.map(|[down, right]| down * row + right),
            nodes: vec![node; (height + 2) * (width + 2)],
            active: VecDeque::new(),
            orphans: VecDeque::new(),
            time: 0,
        }
    }

    fn node(&self, row: usize, column: usize) -> usize {
        (row + 1) * (self.width + 2) + column + 1
    }

    /// Sets the capacity between a node and a neighbour, both ways. `step` is one of (0, 1), (1, 0), (1, 1) and (1, −1), rows
    /// first; nothing happens where the neighbour lies outside.
    pub fn connect(&mut self, row: usize, column: usize, step: [isize; 2], capacity: f32) {
        let Some(direction) = STEPS.iter().position(|own| *own == step) else { return };
        let [below, beside] = [row as isize + step[0], column as isize + step[1]];
        if below < 0 || below >= self.height as isize || beside < 0 || beside >= self.width as isize {
            return;
        }
        let node = self.node(row, column);
        let neighbour = self.towards(node, direction);
        self.nodes[node].capacities[direction] = capacity;
        self.nodes[neighbour].capacities[direction ^ 1] = capacity;
    }

    /// Sets what may flow from the source to a node, less what may flow from it to the sink: what both share flows anyway and
    /// changes no cut.
    pub fn connect_terminals(&mut self, row: usize, column: usize, source_less_sink: f32) {
        let node = self.node(row, column);
        self.nodes[node].terminal = source_less_sink;
    }

    /// Whether a node is on the source's side of the cut, after [`Grid::run`]. Nodes that no tree reached are on the sink's.
    pub fn is_source(&self, row: usize, column: usize) -> bool {
        let node = &self.nodes[self.node(row, column)];
        node.parent != FREE && node.tree == Tree::Source
    }

    fn towards(&self, node: usize, direction: usize) -> usize {
        node.wrapping_add_signed(self.offsets[direction])
    }

    /// Sends as much as can flow, and returns how much that is. Capacities are used up.
    pub fn run(&mut self) -> f64 {
        let mut flow = self.send_between_neighbours();
        for node in 0..self.nodes.len() {
            let terminal = self.nodes[node].terminal;
            if terminal != 0.0 {
                self.nodes[node].tree = if terminal > 0.0 { Tree::Source } else { Tree::Sink };
                self.nodes[node].parent = TERMINAL;
                self.nodes[node].distance = 1;
                self.activate(node);
            }
        }
        let mut current = None;
        loop {
            let current_or_next = current.take().filter(|&node| self.nodes[node as usize].parent != FREE);
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

    /// Sends what can flow from the source through two neighbours to the sink, which needs no trees.
    fn send_between_neighbours(&mut self) -> f64 {
        let mut flow = 0.0;
        for node in 0..self.nodes.len() {
            for direction in 0..8 {
                let Node { terminal, capacities, .. } = self.nodes[node];
                if terminal <= 0.0 {
                    break;
                }
                if capacities[direction] <= 0.0 {
                    continue;
                }
                let neighbour = self.towards(node, direction);
                let amount = terminal.min(capacities[direction]).min(-self.nodes[neighbour].terminal);
                if amount > 0.0 {
                    self.send(node, direction, amount);
                    self.nodes[node].terminal -= amount;
                    self.nodes[neighbour].terminal += amount;
                    flow += f64::from(amount);
                }
            }
        }
        flow
    }

    fn activate(&mut self, node: usize) {
        if !self.nodes[node].is_active {
            self.nodes[node].is_active = true;
            self.active.push_back(node as u32);
        }
    }

    fn next(&mut self) -> Option<u32> {
        while let Some(node) = self.active.pop_front() {
            let state = &mut self.nodes[node as usize];
            state.is_active = false;
            if state.parent != FREE {
                return Some(node);
            }
        }
        None
    }

    /// What can still flow from a node to its neighbour in the direction away from its tree's terminal.
    fn outward(&self, tree: Tree, node: usize, direction: usize) -> f32 {
        match tree {
            Tree::Source => self.nodes[node].capacities[direction],
            Tree::Sink => self.nodes[self.towards(node, direction)].capacities[direction ^ 1],
        }
    }

    /// Takes free neighbours into the tree; where the other tree is met, returns the edge from the source's to the sink's.
    fn grow(&mut self, node: usize) -> Option<(usize, usize)> {
        let tree = self.nodes[node].tree;
        for direction in 0..8 {
            if self.outward(tree, node, direction) <= 0.0 {
                continue;
            }
            let neighbour = self.towards(node, direction);
            if self.nodes[neighbour].parent == FREE {
                self.nodes[neighbour].tree = tree;
                self.join(neighbour, direction ^ 1, node);
                self.activate(neighbour);
            } else if self.nodes[neighbour].tree != tree {
                return Some(match tree {
                    Tree::Source => (node, direction),
                    Tree::Sink => (neighbour, direction ^ 1),
                });
            } else if self.nodes[neighbour].stamp <= self.nodes[node].stamp
                && self.nodes[neighbour].distance > self.nodes[node].distance
            {
                // A shorter way to the terminal.
                self.join(neighbour, direction ^ 1, node);
            }
        }
        None
    }

    fn join(&mut self, node: usize, direction: usize, parent: usize) {
        self.nodes[node].parent = direction as u8;
        self.nodes[node].stamp = self.nodes[parent].stamp;
        self.nodes[node].distance = self.nodes[parent].distance + 1;
    }

    /// Sends what the path through an edge can carry.
    fn augment(&mut self, source: usize, direction: usize) -> f32 {
        let sink = self.towards(source, direction);
        let mut amount = self.nodes[source].capacities[direction];
        for start in [source, sink] {
            let tree = self.nodes[start].tree;
            let mut node = start;
            while self.nodes[node].parent < TERMINAL {
                let up = usize::from(self.nodes[node].parent);
                let parent = self.towards(node, up);
                amount = amount.min(self.outward(tree, parent, up ^ 1));
                node = parent;
            }
            amount = amount.min(self.nodes[node].terminal.abs());
        }
        self.send(source, direction, amount);
        for start in [source, sink] {
            let tree = self.nodes[start].tree;
            let mut node = start;
            while self.nodes[node].parent < TERMINAL {
                let up = usize::from(self.nodes[node].parent);
                let parent = self.towards(node, up);
                match tree {
                    Tree::Source => self.send(parent, up ^ 1, amount),
                    Tree::Sink => self.send(node, up, amount),
                }
                if self.outward(tree, parent, up ^ 1) <= 0.0 {
                    self.orphan(node);
                }
                node = parent;
            }
            self.nodes[node].terminal -= if tree == Tree::Source { amount } else { -amount };
            if self.nodes[node].terminal == 0.0 {
                self.orphan(node);
            }
        }
        amount
    }

    fn send(&mut self, node: usize, direction: usize, amount: f32) {
        let neighbour = self.towards(node, direction);
        self.nodes[node].capacities[direction] -= amount;
        self.nodes[neighbour].capacities[direction ^ 1] += amount;
    }

    fn orphan(&mut self, node: usize) {
        self.nodes[node].parent = ORPHAN;
        self.orphans.push_back(node as u32);
    }

    /// Finds another parent in the same tree, the nearest to the terminal, or sets the node and what hangs on it free.
    fn adopt(&mut self, node: usize) {
        let tree = self.nodes[node].tree;
        let (mut nearest, mut chosen) = (NEVER, None);
        for direction in 0..8 {
            let neighbour = self.towards(node, direction);
            if self.nodes[neighbour].tree != tree
                || self.nodes[neighbour].parent == FREE
                || self.outward(tree, neighbour, direction ^ 1) <= 0.0
            {
                continue;
            }
            let distance = self.distance(neighbour);
            if distance < nearest {
                (nearest, chosen) = (distance, Some((direction, neighbour)));
            }
        }
        if let Some((direction, _)) = chosen {
            self.nodes[node].parent = direction as u8;
            self.nodes[node].stamp = self.time;
            self.nodes[node].distance = nearest + 1;
            return;
        }
        self.nodes[node].parent = FREE;
        for direction in 0..8 {
            let neighbour = self.towards(node, direction);
            if self.nodes[neighbour].tree != tree || self.nodes[neighbour].parent == FREE {
                continue;
            }
            if self.outward(tree, neighbour, direction ^ 1) > 0.0 {
                self.activate(neighbour);
            }
            if usize::from(self.nodes[neighbour].parent) == direction ^ 1 {
                self.orphan(neighbour);
            }
        }
    }

    /// The steps from a node to its terminal, or [`NEVER`] where its path ends at an orphan. What is found is remembered.
    fn distance(&mut self, start: usize) -> u32 {
        let (mut node, mut steps) = (start, 0);
        loop {
            if self.nodes[node].stamp == self.time {
                steps += self.nodes[node].distance;
                break;
            }
            match self.nodes[node].parent {
                TERMINAL => {
                    steps += 1;
                    self.nodes[node].stamp = self.time;
                    self.nodes[node].distance = 1;
                    break;
                }
                ORPHAN | FREE => return NEVER,
                up => node = self.towards(node, usize::from(up)),
            }
            steps += 1;
        }
        let (mut node, mut left) = (start, steps);
        while self.nodes[node].stamp != self.time {
            self.nodes[node].stamp = self.time;
            self.nodes[node].distance = left;
            left -= 1;
            node = self.towards(node, usize::from(self.nodes[node].parent));
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
