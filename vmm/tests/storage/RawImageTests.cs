using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Tests.Storage;

public sealed class RawImageTests : IDisposable
{
    private readonly ImageFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_it_reads_without_waiting_is_what_it_reads()
    {
        var content = new byte[8192];
        new Random(3).NextBytes(content);
        File.WriteAllBytes(_folder["disk"], content);
        using var image = new RawImage(_folder["disk"], readOnly: false);
        byte[] bytes = new byte[4096], now = new byte[4096];
        Assert.True(image.TryWrite(1024, content.AsSpan(0, 512)));
        Assert.True(image.TryRead(1000, bytes));
        // Not every file system can tell.
        Assert.True(!image.TryReadNow(1000, now) || now.AsSpan().SequenceEqual(bytes));
    }

    [Fact]
    public void What_is_beyond_the_files_end_is_left_to_the_read_that_knows_it_to_be_zeros()
    {
        File.WriteAllBytes(_folder["disk"], new byte[700]);
        using var image = new RawImage(_folder["disk"], readOnly: true);
        var bytes = new byte[1024];
        Assert.Equal(1024, image.Bytes);
        Assert.False(image.TryReadNow(0, bytes));
        Assert.True(image.TryRead(0, bytes));
    }
}
