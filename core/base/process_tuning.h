// Settings that a process with LibTorch needs before it does anything else.
//
// A program that links this file restarts itself once, before the constructors
// of its libraries run, with GOMP_SPINCOUNT in its environment: libgomp reads
// the environment only in its constructor. The process keeps its id, arguments,
// open files and signal mask. It does not restart if OMP_WAIT_POLICY,
// GOMP_SPINCOUNT or KMP_BLOCKTIME is set. The default count lets a thread spin
// for milliseconds at each barrier; beside other jobs the threads that it waits
// for lose that time.
#pragma once

namespace gist {

// Makes malloc keep the memory of large blocks for the next ones. By default it
// maps and clears fresh pages for each tensor. Call it before any thread runs;
// free memory then returns to the kernel only by malloc_trim(3). Does nothing
// if MALLOC_MMAP_THRESHOLD_ is set.
void KeepLargeBlocks();

}  // namespace gist
