using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Fuzz.Tests.Targets;

/// <summary>What devices read of memory that the program did not write.</summary>
public sealed class DmaMemoryTests
{
    private const ulong Base = 0x100000;

    [Fact]
    public void A_device_finds_what_was_laid_ready_wherever_the_program_wrote_nothing_and_zeros_behind_it()
    {
        using var memory = new GuestMemory([new GuestRam("ram", Base, 0x1000)]);
        var dma = new DmaMemory(memory);
        memory.TryWrite(Base + 2, [0xaa, 0xbb]);
        dma.NoteWritten(Base + 2, 2);
        dma.Lay([1, 2, 3]);

        var read = new byte[6];
        Assert.True(dma.TryRead(Base, read));
        Assert.Equal([1, 2, 0xaa, 0xbb, 3, 0], read);
        // What was read once stays: a device that looks twice sees the same.
        Assert.True(dma.TryRead(Base, read));
        Assert.Equal([1, 2, 0xaa, 0xbb, 3, 0], read);
    }

    [Fact]
    public void Bytes_that_a_device_wrote_are_its_own()
    {
        using var memory = new GuestMemory([new GuestRam("ram", Base, 0x1000)]);
        var dma = new DmaMemory(memory);
        dma.Lay([9, 9, 9, 9]);
        Assert.True(dma.TryWrite(Base + 0x3e, [1, 2, 3, 4]));

        var read = new byte[4];
        Assert.True(dma.TryRead(Base + 0x3e, read));
        Assert.Equal([1, 2, 3, 4], read);
        Assert.False(dma.TryRead(Base + 0xffe, read));
        dma.Restart();
        Assert.True(dma.TryRead(Base + 0x3e, read));
        Assert.Equal([1, 2, 3, 4], read);
    }

    [Fact]
    public void A_queue_that_a_program_leaves_to_its_input_is_walked()
    {
        using var target = (DeviceTarget)TargetCatalogue.Create("virtio-mmio");
        // The rings lie where nothing is written: the flags and the index of the available ring come first, then the ring's first entry, then a descriptor.
        var program = ProgramText.Parse(
            """
            program 1
            writel 0xfeb00070 3
            writel 0xfeb00024 1
            writel 0xfeb00020 1
            writel 0xfeb00070 11
            writel 0xfeb00038 8
            writel 0xfeb00080 0x100000
            writel 0xfeb00090 0x101000
            writel 0xfeb000a0 0x102000
            writel 0xfeb00044 1
            writel 0xfeb00070 15
            dma 0x14 0x0100000000001000000000000100000002000000
            writel 0xfeb00050 0
            readw 0x102002
            """);
        var replies = new List<ulong?>();
        target.Run(program, (_, reply) => replies.Add(reply));

        // A chain without a header is given back.
        Assert.Equal(1UL, replies[^1]);
    }

    [Fact]
    public void A_typed_configuration_access_is_the_two_port_accesses_that_it_is_made_of()
    {
        using var target = (DeviceTarget)TargetCatalogue.Create("pci-testdev");
        var (typed, plain) = (new List<ulong?>(), new List<ulong?>());
        var program = ProgramText.Parse("program 1\npci_readl 02.0 0\npci_writew 02.0 4 3\npci_readw 02.0 4\npci_readb 00.0 0xb\n");
        target.Run(program, (_, reply) => typed.Add(reply));
        target.Run([.. program.SelectMany(operation => operation.Plain())], (_, reply) => plain.Add(reply));

        Assert.Equal(plain.Where((_, index) => index % 2 == 1), typed);
        Assert.NotEqual(uint.MaxValue, typed[0]);
        Assert.Equal(3UL, typed[2] & 3);
    }
}
