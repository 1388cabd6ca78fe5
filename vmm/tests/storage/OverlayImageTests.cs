using FsCheck.Fluent;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Tests.Storage;

public sealed class OverlayImageTests
{
    private const int Bytes = 10_752;

    [Fact]
    public void It_reads_as_written_and_leaves_the_image_below_alone()
    {
        var step = from write in Gen.Elements(true, false)
                   from offset in Gen.Choose(0, Bytes)
                   from length in Gen.Choose(0, 6000)
                   from value in Gen.Choose(0, 255)
                   select (write, offset, Math.Min(length, Bytes - offset), (byte)value);
        Prop.ForAll(step.ListOf(30).ToArbitrary(), steps =>
        {
            using var below = new MemoryImage(Bytes);
            new Random(5).NextBytes(below.Content);
            var (original, model) = (below.Content.ToArray(), below.Content.ToArray());
            using var overlay = new OverlayImage(below);
            foreach (var (write, offset, length, value) in steps)
            {
                var piece = new byte[length];
                if (write && value == 0)
                    Assert.True(overlay.TryWriteZeroes(offset, length, mayUnmap: true));
                piece.AsSpan().Fill(value);
                if (write)
                {
                    Assert.True(overlay.TryWrite(offset, piece));
                    piece.CopyTo(model, offset);
                }
                Assert.True(overlay.TryRead(offset, piece));
                Assert.True(piece.AsSpan().SequenceEqual(model.AsSpan(offset, length)));
                piece.AsSpan().Clear();
                Assert.True(overlay.TryReadNow(offset, piece));
                Assert.True(piece.AsSpan().SequenceEqual(model.AsSpan(offset, length)));
            }
            Assert.True(below.Content.SequenceEqual(original));
        }).Holds();
    }
}
