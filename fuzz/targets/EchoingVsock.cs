using Gauntlet.Vmm.Network;

namespace Gauntlet.Fuzz.Targets;

/// <summary>A host on whose every even port there is somebody who sends back what comes, as much as he keeps.</summary>
internal sealed class EchoingVsock : IVsockHost
{
    public static readonly EchoingVsock Instance = new();

    private EchoingVsock() { }

    public void Connect(Action onChange) { }

    public IVsockStream? TryOpen(uint port) => port % 2 == 0 ? new Stream() : null;

    public IVsockStream? TakeIncoming(out uint port)
    {
        port = 0;
        return null;
    }

    private sealed class Stream : IVsockStream
    {
        private const int Kept = 64;

        private readonly Queue<byte> _bytes = new();
        private bool _isEnded;

        public bool IsHungUp => _isEnded;

        public void NoteAccepted(uint port) { }

        public int Receive(Span<byte> destination)
        {
            var count = 0;
            while (count < destination.Length && _bytes.TryDequeue(out var value))
                destination[count++] = value;
            return count > 0 ? count : _isEnded ? 0 : -1;
        }

        public int Send(ReadOnlySpan<byte> source)
        {
            var count = Math.Min(source.Length, Kept - _bytes.Count);
            foreach (var value in source[..count])
                _bytes.Enqueue(value);
            return count;
        }

        public void EndSending() => _isEnded = true;

        public void Dispose() { }
    }
}
