using Gauntlet.Fuzz.Qemu;

namespace Gauntlet.Fuzz.Tests.Qemu;

public sealed class QemuFailureTests
{
    [Theory]
    [InlineData("qemu-system-x86_64: ../../util/iov.c:88: iov_copy: Assertion `offset == 0' failed.", "assertion util/iov.c: iov_copy: offset == 0")]
    [InlineData("qemu-system-x86_64: ../hw/virtio/virtio-iommu.c:793: void virtio_iommu_handle_command(VirtIODevice *, VirtQueue *): Assertion `sz == output_size' failed.", "assertion hw/virtio/virtio-iommu.c: virtio_iommu_handle_command: sz == output_size")]
    [InlineData("qemu: ../util/iov.c:9: size_t *iov_size(const struct iovec *, const unsigned int): Assertion `a' failed.", "assertion util/iov.c: iov_size: a")]
    [InlineData("qemu: /src/build-1/include/exec/memory_ldst_cached.h.inc:77: void address_space_stw_le_cached(MemoryRegionCache *, hwaddr): Assertion `addr < cache->len' failed.", "assertion include/exec/memory_ldst_cached.h.inc: address_space_stw_le_cached: addr < cache->len")]
    [InlineData("qemu: ./include/exec/memory_ldst_cached.h.inc:77: address_space_stw_le_cached: Assertion `addr < cache->len' failed.", "assertion include/exec/memory_ldst_cached.h.inc: address_space_stw_le_cached: addr < cache->len")]
    [InlineData("ERROR:../../hw/net/rocker.c:7:rocker_io: code should not be reached", "assertion hw/net/rocker.c: rocker_io: code should not be reached")]
    [InlineData("qemu: hardware error: EDU: DMA range 0x00001000-0x00002000 out of bounds", "hardware error: EDU: DMA range N-N out of bounds")]
    public void The_words_of_an_abort_are_its_bucket_without_line_numbers_addresses_and_where_it_was_built(string errors, string bucket) =>
        Assert.Equal(bucket, QemuFailure.FromWords(134, errors + "\n")?.Bucket);

    [Fact]
    public void A_bare_signal_is_told_by_places_in_the_program_wherever_it_was_loaded()
    {
        const string Said =
            """
            Thread 1 "qemu" received signal SIGSEGV, Segmentation fault.
            #0  0x00007ffff6c0bf4f in memcpy () from /lib/x86_64-linux-gnu/libc.so.6
            #1  0x0000555555901234 in ?? ()
            #2  0x0000555555901300 in  ()
            #3  0x0000555555901400 in scsi_req_cancel_complete ()
                      Start Addr           End Addr       Size     Offset  Perms  objfile
                  0x555555554000     0x555555856000   0x302000        0x0  r--p   /usr/bin/qemu-system-x86_64
                  0x555555856000     0x555555ef2000   0x69c000   0x302000  r-xp   /usr/bin/qemu-system-x86_64
                  0x7ffff6c00000     0x7ffff6d00000   0x100000        0x0  r-xp   /usr/lib/x86_64-linux-gnu/libc.so.6
            """;

        var failure = QemuFailure.FromDebugger("signal 11", Said, "qemu-system-x86_64");

        Assert.Equal("SIGSEGV qemu-system-x86_64 +0x3ad234 < +0x3ad300 < scsi_req_cancel_complete", failure.Bucket);
        Assert.False(failure.IsArtefact);
    }

    [Fact]
    public void A_fault_where_the_current_vCPU_is_looked_up_is_the_harness_own() =>
        Assert.True(QemuFailure.FromDebugger("signal 11", "   0x555555901230:\tmov    %fs:0xfffffffffffffff8,%rax\n", "qemu").IsArtefact);
}
