using FsCheck;
using FsCheck.Fluent;
using Gauntlet.Vmm.Tracing;

namespace Gauntlet.Vmm.Tests.Tracing;

/// <summary>The binary form: what is written is read, and what is no trace is refused with where and why.</summary>
public sealed class SimpleTraceTests
{
    private static readonly TraceEvent[] s_events =
    [
        TraceEvents.RegisterRead("isa-serial"), TraceEvents.RegisterWrite("virtio-blk-pci"), TraceEvents.QueuePop("virtio-net-pci"), TraceEvents.QueuePush("virtio-net-pci"),
        TraceEvents.QueueReset("virtio-rng-pci"), TraceEvents.BlockWrite, TraceEvents.Machine,
    ];

    [Fact]
    public void What_is_written_is_read()
    {
        var text = ArbMap.Default.GeneratorFor<NonNull<string>>().Select(value => (TraceValue)new string([.. value.Get.Where(letter => !char.IsSurrogate(letter))]));
        var happening = from number in Gen.Choose(0, s_events.Length - 1)
                        from time in ArbMap.Default.GeneratorFor<PositiveInt>()
                        from values in Gen.CollectToArray(s_events[number].Fields, field => field.Type == TraceFieldType.Text
                            ? text
                            : ArbMap.Default.GeneratorFor<ulong>().Select(value => (TraceValue)(field.Type == TraceFieldType.Number32 ? (uint)value : value)))
                        select (number, (long)time.Get, values);
        Prop.ForAll(happening.ListOf().ToArbitrary(), happenings =>
        {
            var read = Read(Written([.. happenings]));
            Assert.Equal(happenings.Select(one => (s_events[one.number].Name, one.Item2)), read.Select(record => (record.Name, record.Nanoseconds)));
            for (var i = 0; i < read.Count; i++)
                Assert.Equal(happenings[i].values, read[i].Values);
            Assert.All(read, record => Assert.Equal((uint)Environment.ProcessId, record.Process));
        }).Holds();
    }

    [Fact]
    public void Other_bytes_are_refused_or_end_the_file_but_nothing_else()
    {
        var good = Written((0, 5L, ["uart", "THR", 0UL, 1UL, 65UL]), (6, 6L, ["RESET"]), (5, 7L, ["hd0", 0UL, 512UL, 1UL, 9UL]));
        var edit = from at in Gen.Choose(0, good.Length - 1)
                   from value in Gen.Elements<byte>(0, 1, 0x7f, 0x80, 0xff)
                   select (at, value);
        var edits = from count in Gen.Choose(1, 4) from list in edit.ListOf(count) from length in Gen.Choose(0, good.Length) select (list, length);
        Prop.ForAll(edits.ToArbitrary(), change =>
        {
            var bytes = good[..change.length];
            foreach (var (at, value) in change.list)
            {
                if (at < bytes.Length)
                    bytes[at] = value;
            }
            try
            {
                Read(bytes);
            }
            catch (TraceFormatException refused)
            {
                Assert.NotEmpty(refused.Message);
            }
        }).Holds();
    }

    [Fact]
    public void A_trace_that_a_killed_process_leaves_is_read_up_to_where_it_is_cut()
    {
        var good = Written((6, 1L, ["RESET"]), (6, 2L, ["STOP"]));
        var reader = new SimpleTraceReader(new MemoryStream(good[..^3]));
        Assert.Equal("RESET", reader.Read()!.Values[0].Text);
        Assert.Null(reader.Read());
        Assert.True(reader.IsCut);
    }

    [Fact]
    public void Events_of_another_program_are_passed_over()
    {
        var stream = new MemoryStream();
        using (var sink = new SimpleTraceSink(stream))
        {
            sink.Write(9, new TraceEvent("somebody_elses", [new TraceField("x", TraceFieldType.Number64), new TraceField("y", TraceFieldType.Text)]), 1, [5UL, "text"]);
            sink.Write(0, TraceEvents.Machine, 2, ["RESUME"]);
        }
        var read = Read(stream.ToArray());
        Assert.Equal(("somebody_elses", null), (read[0].Name, read[0].What));
        Assert.Equal("RESUME", read[1].Values[0].Text);
    }

    [Fact]
    public void Declarations_are_lines_of_a_trace_events_file()
    {
        Assert.Equal("""block_write(const char *disk, uint64_t offset, uint64_t bytes, uint32_t ok, uint64_t nanoseconds) "disk %s offset 0x%"PRIx64" bytes 0x%"PRIx64" ok %u nanoseconds 0x%"PRIx64"" """.TrimEnd(), TraceEvents.BlockWrite.Declaration);
        Assert.Equal("virtio_blk_pci_queue_pop", TraceEvents.QueuePop("virtio-blk-pci").Name);
    }

    [Theory]
    [InlineData("*", "anything", true)]
    [InlineData("virtio_*_pop", "virtio_blk_pci_queue_pop", true)]
    [InlineData("virtio_*_pop", "virtio_blk_pci_queue_push", false)]
    [InlineData("block_write", "block_write", true)]
    [InlineData("block_write", "block_write_zeroes", false)]
    [InlineData("", "", true)]
    [InlineData("a*b*a", "aba", true)]
    [InlineData("a*b*a", "ab", false)]
    public void A_star_stands_for_any_letters(string pattern, string name, bool matches) => Assert.Equal(matches, TracePatterns.Matches(pattern, name));

    [Fact]
    public void Patterns_agree_with_a_regular_expression()
    {
        var word = Gen.Elements('a', 'b', '*', '_').ListOf().Select(letters => string.Concat(letters));
        Prop.ForAll(word.ToArbitrary(), word.Select(text => text.Replace("*", "", StringComparison.Ordinal)).ToArbitrary(), (pattern, name) =>
            TracePatterns.Matches(pattern, name) == System.Text.RegularExpressions.Regex.IsMatch(name, $"^{pattern.Replace("*", ".*", StringComparison.Ordinal)}$"))
            .Holds();
    }

    [Fact]
    public void Later_patterns_win_and_a_minus_takes_out()
    {
        var patterns = new TracePatterns();
        patterns.AddLines("# all but reads\n\nisa_*\n-isa_*_read\n  block_flush  \n");
        Assert.True(patterns.IsWanted("isa_serial_write"));
        Assert.False(patterns.IsWanted("isa_serial_read"));
        Assert.True(patterns.IsWanted("block_flush"));
        Assert.False(patterns.IsWanted("block_read"));
    }

    private static byte[] Written(params (int Event, long Time, TraceValue[] Values)[] happenings)
    {
        var stream = new MemoryStream();
        using (var sink = new SimpleTraceSink(stream))
        {
            foreach (var (number, time, values) in happenings)
                sink.Write(number, s_events[number], time, values);
        }
        return stream.ToArray();
    }

    private static List<TraceRecord> Read(byte[] bytes)
    {
        var reader = new SimpleTraceReader(new MemoryStream(bytes));
        var records = new List<TraceRecord>();
        while (reader.Read() is { } record)
            records.Add(record);
        return records;
    }
}
