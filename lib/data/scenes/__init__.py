"""Pictures of coloured shapes, with labels, relations and captions."""
