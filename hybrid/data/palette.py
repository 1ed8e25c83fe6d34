"""The colours of scenes, each with the shades that it is mixed from; a new one is one more entry."""

import numpy as np

# What common palettes (CSS, Material, Tailwind, Tableau) call by each name. A shade is mixed from two.
_SHADES: dict[str, tuple[str, ...]] = {
    "red": (
        "#ff0000",
        "#dc143c",
        "#d62728",
        "#ef4444",
        "#e53935",
        "#c81414",
        "#e6194b",
        "#cc0000",
        "#f44336",
    ),
    "green": (
        "#008000",
        "#00ff00",
        "#2ca02c",
        "#22c55e",
        "#2e8b57",
        "#4caf50",
        "#006400",
        "#32cd32",
        "#15803d",
    ),
    "blue": (
        "#0000ff",
        "#1f77b4",
        "#3b82f6",
        "#00008b",
        "#1e90ff",
        "#4169e1",
        "#2196f3",
        "#4682b4",
        "#1d4ed8",
    ),
    "yellow": ("#ffff00", "#ffd700", "#facc15", "#ffeb3b", "#f0e632", "#ffe119", "#fdd835", "#eab308"),
    "orange": ("#ffa500", "#ff7f0e", "#f97316", "#ff8c00", "#ff9800", "#f58231", "#fb8c00", "#ea6a10"),
    "purple": (
        "#800080",
        "#9467bd",
        "#a855f7",
        "#4b0082",
        "#8a2be2",
        "#9c27b0",
        "#9370db",
        "#7c3aed",
        "#6a0dad",
    ),
    "pink": (
        "#ffc0cb",
        "#ff69b4",
        "#ec4899",
        "#e377c2",
        "#f48fb1",
        "#ff1493",
        "#f472b6",
        "#fbb6ce",
        "#ff8fc7",
    ),
    "brown": (
        "#a52a2a",
        "#8b4513",
        "#8c564b",
        "#795548",
        "#654321",
        "#a0522d",
        "#5c3317",
        "#964b00",
        "#7b3f00",
    ),
    "black": ("#000000", "#111111", "#1a1a1a", "#222222", "#0b0b12"),
    "white": ("#ffffff", "#fafafa", "#f5f5f5", "#f8f8ff", "#fffafa"),
}
PALETTE = {
    name: np.array([[int(shade[i : i + 2], 16) for i in (1, 3, 5)] for shade in shades], float)
    for name, shades in _SHADES.items()
}
COLOURS = tuple(PALETTE)
