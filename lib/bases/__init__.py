"""Pretrained models that ship: a recipe for each, and what loads, checks and trains them."""

from lib.bases.card import Card
from lib.bases.files import described, files_of, is_of_its_recipe, load, renewed, store
from lib.bases.recipe import Recipe
from lib.bases.registry import base_names, recipe_digest, recipe_file, recipe_of

__all__ = [
    "Card",
    "Recipe",
    "base_names",
    "described",
    "files_of",
    "is_of_its_recipe",
    "load",
    "recipe_digest",
    "recipe_file",
    "recipe_of",
    "renewed",
    "store",
]
