"""The Triton forms of the kernels, each under the module name of its signature and its CPU form in `kernels/`.

Inside a kernel a name that ends in `_ptr` is a pointer to a tensor's first number, `x_row_stride` is the distance
between two rows of x, and `real` says which numbers of a block exist. Importing a module here needs Triton.
"""
