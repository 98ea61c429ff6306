"""What is done with a dataset before it is learnt from: fetched, left out of, divided, and summed up."""
