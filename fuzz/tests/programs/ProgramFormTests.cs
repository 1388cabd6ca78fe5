using FsCheck;
using FsCheck.Fluent;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Tests.Programs;

public sealed class ProgramFormTests
{
    private static readonly Grammar Grammar = new(
    [
        new Window("uart", AddressSpace.Port, 0x3f8, 8, []),
        new Window("apic", AddressSpace.Mmio, 0xfee00000, 0x1000, []),
        new Window("ram", AddressSpace.Mmio, 0x1000, 1 << 20, []),
    ]);

    private static readonly Gen<ulong> Numbers = ArbMap.Default.GeneratorFor<ulong>();

    private static readonly Gen<Operation> Operations = Gen.OneOf(
        from port in Gen.Choose(0, 0xffff) from size in Gen.Elements(1, 2, 4) select Operation.Read(AddressSpace.Port, (ulong)port, size),
        from port in Gen.Choose(0x3f8, 0x3ff) from size in Gen.Elements(1, 2, 4) from value in Numbers select Operation.Write(AddressSpace.Port, (ulong)port, size, value),
        from address in Numbers from size in Gen.Elements(1, 2, 4, 8) select Operation.Read(AddressSpace.Mmio, address, size),
        from offset in Gen.Choose(0, 0x1100)
        from size in Gen.Elements(1, 2, 4, 8)
        from value in Numbers
        select Operation.Write(AddressSpace.Mmio, 0xfee00000 + (ulong)offset, size, value),
        from address in Numbers from length in Gen.Choose(1, Operation.MaxRunBytes) from value in Gen.Choose(0, 255) select Operation.Fill(address, length, (byte)value),
        from address in Gen.Choose(0, 1 << 21)
        from length in Gen.Choose(1, Operation.MaxDataBytes)
        from data in Gen.Choose(0, 255).ArrayOf(length)
        select Operation.WriteMemory((ulong)address, [.. data.Select(value => (byte)value)]),
        from address in Numbers from length in Gen.Choose(1, Operation.MaxRunBytes) select Operation.ReadMemory(address, length),
        from address in Numbers
        from length in Gen.Choose(1, 3 * Operation.MaxDataBytes)
        from count in Gen.Choose(1, 64)
        from data in Gen.Choose(0, 255).ArrayOf(count)
        select Operation.Pattern(address, length, [.. data.Select(value => (byte)value)]),
        from ns in Numbers select Operation.ClockStep(ns & Operation.MaxClockStepNs),
        from data in Gen.NonEmptyListOf(Gen.Choose(0, 255)) select Operation.DmaInput([.. data.Take(Operation.MaxDataBytes).Select(value => (byte)value)]),
        from function in Gen.Choose(0, 255) from register in Gen.Choose(0, 255) from size in Gen.Elements(1, 2, 4) select Operation.PciRead(function, register & -size, size),
        from function in Gen.Choose(0, 255)
        from register in Gen.Choose(0, 255)
        from size in Gen.Elements(1, 2, 4)
        from value in Numbers
        select Operation.PciWrite(function, register & -size, size, value),
        Gen.Elements(Operation.SampleInterrupts(), Operation.Reset(), Operation.Snapshot(), Operation.Restore()));

    private static readonly Arbitrary<Operation[]> AnyProgram = Operations.ArrayOf().ToArbitrary();

    [Fact]
    public void The_text_of_a_program_reads_back_as_the_program() =>
        Prop.ForAll(AnyProgram, program => ProgramText.Parse(ProgramText.Format(program)).SequenceEqual(program)).Holds();

    [Fact]
    public void The_bytes_of_a_program_decode_to_the_program_its_patterns_as_the_writes_that_they_stand_for() =>
        Prop.ForAll(AnyProgram, program => ProgramBytes.Decode(ProgramBytes.Encode(program, Grammar), Grammar)
            .SequenceEqual(program.SelectMany(operation => operation.Kind == OperationKind.Pattern ? operation.Writes() : [operation]).Take(ProgramBytes.MaxOperations))).Holds();

    [Fact]
    public void A_pattern_fills_its_run_with_its_bytes_again_and_again()
    {
        var pattern = Operation.Pattern(0x1000, 600, [1, 2, 3, 4, 5, 6, 7]);
        Assert.Equal([0x1000UL, 0x1100, 0x1200], pattern.Writes().Select(write => write.Address));
        var memory = pattern.Writes().SelectMany(write => write.Data).ToArray();
        Assert.Equal(Enumerable.Range(0, 600).Select(at => (byte)(at % 7 + 1)), memory);
        Assert.Equal("pattern 0x1000 0x258 0x01020304050607", ProgramText.Line(pattern));
        Assert.StartsWith("write 0x1000 0x258 0x0102030405060701", QtestScript.Line(pattern), StringComparison.Ordinal);
    }

    [Fact]
    public void Any_bytes_decode_to_a_program_whose_own_bytes_mean_the_same() =>
        Prop.ForAll(ArbMap.Default.GeneratorFor<byte[]>().ToArbitrary(), bytes =>
        {
            var program = ProgramBytes.Decode(bytes, Grammar);
            return ProgramBytes.Decode(ProgramBytes.Encode(program, Grammar), Grammar).SequenceEqual(program);
        }).Holds(1_000);

    [Fact]
    public void Bytes_are_split_where_their_operations_begin_and_end() =>
        Prop.ForAll(ArbMap.Default.GeneratorFor<byte[]>().ToArbitrary(), bytes =>
        {
            var starts = new int[ProgramBytes.MaxOperations + 1];
            var count = ProgramBytes.Split(bytes, Grammar, starts);
            var pieces = Enumerable.Range(0, count).Select(i => ProgramBytes.Decode(bytes.AsSpan(starts[i], starts[i + 1] - starts[i]), Grammar));
            return pieces.Select(Assert.Single).SequenceEqual(ProgramBytes.Decode(bytes, Grammar));
        }).Holds(1_000);

    [Fact]
    public void A_qtest_script_imports_as_the_operations_that_qtest_has() =>
        Prop.ForAll(AnyProgram, program =>
        {
            var script = QtestScript.From(program);
            // What the script says by ports is a configuration access again.
            Operation[] plain = [.. program.SelectMany(operation => operation.Kind == OperationKind.Pattern ? operation.Writes() : [operation])];
            var kept = plain.Where(operation => operation.Kind is not (OperationKind.SampleInterrupts or OperationKind.Reset or OperationKind.Snapshot or OperationKind.Restore or OperationKind.DmaInput)).ToArray();
            return QtestScript.Import(script.Text).SequenceEqual(kept) && script.Dropped == plain.Length - kept.Length;
        }).Holds();

    // Of bus 0, of others, with holes in them, cut off, by halves: what is no configuration access of a program stays as it is.
    [Fact]
    public void Accesses_of_the_configuration_ports_import_as_what_exports_to_the_same_script()
    {
        var selectors = from value in Gen.OneOf(Gen.Choose(0, 0xffff).Select(static low => 0x80000000 | (uint)low), ArbMap.Default.GeneratorFor<uint>()) from size in Gen.Elements("l", "l", "l", "w") select $"out{size} 0xcf8 0x{(size == "l" ? value : value & 0xffff):x}";
        var accesses = from port in Gen.Choose(0xcf8, 0xd01) from size in Gen.Elements("b", "w", "l") from isRead in ArbMap.Default.GeneratorFor<bool>() select isRead ? $"in{size} 0x{port:x}" : $"out{size} 0x{port:x} 0x5a";
        Prop.ForAll(Gen.OneOf(selectors, accesses).ArrayOf().ToArbitrary(), static lines =>
        {
            var script = string.Concat(lines.Select(static line => $"{line}\n"));
            return QtestScript.From(QtestScript.Import(script)).Text == script;
        }).Holds(500);

        Assert.Equal([Operation.PciWrite(2 << 3 | 1, 6, 2, 7), Operation.PciRead(0, 0, 4)], QtestScript.Import("outl 0xcf8 0x80001104\noutw 0xcfe 7\noutl 0xcf8 0x80000000\ninl 0xcfc\n"));
    }

    [Fact]
    public void Any_text_is_a_program_or_an_error_that_names_its_line()
    {
        var words = Gen.Elements("inb", "outl", "write", "read", "memset", "clock_step", "reset", "dma", "pci_readl", "pci_writeb", "1f.7", "00.8", "0x", "0x10", "-1", "99999999999999999999999", "0xzz", "#", "\n", "\n", "program 1");
        Prop.ForAll(words.ArrayOf().Select(parts => "program 1\n" + string.Join(' ', parts)).ToArbitrary(), text =>
        {
            foreach (var parse in (Func<string, IReadOnlyList<Operation>>[])[ProgramText.Parse, QtestScript.Import])
            {
                try
                {
                    parse(text);
                }
                catch (ProgramFormatException exception)
                {
                    Assert.InRange(exception.Line, 1, text.Split('\n').Length);
                }
            }
        }).Holds(1_000);
    }

    [Fact]
    public void A_person_can_write_comments_and_decimal_numbers()
    {
        var program = ProgramText.Parse("# loopback\nprogram 1\n\noutb 1020 16  # MCR\n  inb 0x3f8\nclock_step 1000\n");

        Assert.Equal([Operation.Write(AddressSpace.Port, 0x3fc, 1, 0x10), Operation.Read(AddressSpace.Port, 0x3f8, 1), Operation.ClockStep(1000)], program);
    }

    [Theory]
    [InlineData("program 2\n", "line 1: \"program 2\" where \"program 1\" was expected")]
    [InlineData("program 1\noutb 0x3f8 0x100\n", "line 2: \"0x100\" where a number from 0 to 0xff was expected")]
    [InlineData("program 1\ninb 0x10000\n", "line 2: \"0x10000\" where a number from 0 to 0xffff was expected")]
    [InlineData("program 1\noutb 1\n", "line 2: outb takes 2 arguments, found 1")]
    [InlineData("program 1\nwrite 0 3 0x1122\n", "line 2: write of 3 bytes with 2 bytes of data")]
    [InlineData("program 1\nmemset 0 0 1\n", "line 2: memset: a length of 0")]
    [InlineData("program 1\nfrob\n", "line 2: \"frob\" is no operation")]
    public void What_is_wrong_is_told_with_its_line(string text, string message) =>
        Assert.StartsWith(message, Assert.Throws<ProgramFormatException>(() => ProgramText.Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_session_log_of_qtest_imports_its_commands_only()
    {
        var program = QtestScript.Import("[I +0.000001] OPENED\n[R +0.01] outb 0x3f8 0x41\n[S +0.02] OK\n[R +0.03] inb 0x3fd\n[S +0.04] OK 0x60\n");

        Assert.Equal([Operation.Write(AddressSpace.Port, 0x3f8, 1, 0x41), Operation.Read(AddressSpace.Port, 0x3fd, 1)], program);
    }

    [Fact]
    public void A_long_write_of_a_script_becomes_several_that_write_the_same()
    {
        var data = Enumerable.Range(0, 600).Select(i => (byte)i).ToArray();

        var program = QtestScript.Import($"write 0x1000 0x258 0x{Convert.ToHexStringLower(data)}");

        Assert.Equal(data, program.SelectMany(operation => operation.Data));
        Assert.Equal([0x1000UL, 0x1100UL, 0x1200UL], program.Select(operation => operation.Address));
    }

    [Fact]
    public void A_shell_command_for_a_bug_report_holds_only_what_QEMU_understands()
    {
        var script = QtestScript.From([Operation.Reset(), Operation.ClockStep(5), Operation.Read(AddressSpace.Port, 0x3f8, 1)], hasClockStep: false);

        Assert.Equal("cat <<EOF | qemu-system-x86_64 -machine pc -accel tcg -S -display none -qtest stdio -qtest-log none\ninb 0x3f8\nEOF\n",
            script.ShellCommand("qemu-system-x86_64", "-machine pc"));
        Assert.Equal(2, script.Dropped);
    }
}
