"""What results look like to people: one style of pages, figures and sheets of pictures, thumbnails, notebooks."""
